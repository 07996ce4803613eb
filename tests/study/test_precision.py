"""The precision of products, as the programs that a GPU would be given have it.

Programs are lowered for CUDA and not run: there every product says with what its factors are read.
"""

import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from sparse_rl.config.error import ConfigError
from sparse_rl.config.reading import from_mapping
from sparse_rl.population import chunks
from sparse_rl.runtime import devices
from sparse_rl.study.preparation import Study, prepare

SAID = {"float32": "HIGHEST, HIGHEST", "tf32": "tf32", "bfloat16": "bf16"}
CASES: dict[str, dict[str, Any]] = {
    "sac": {"quantization": {"modes": ["int8w", "int8", "integer"]}},
    "sac with sparse critics": {"sparsity": {"critic_levels": [0, 0.5]}},
    "td3": {"agent": {"name": "td3"}},
    "ppo": {"agent": {"name": "ppo"}},
    "dqn with a convolution": {
        "environment": "gymnax/Breakout-MinAtar",
        "agent": {"name": "dqn"},
        "network": {"torso": "minatar", "hidden": [16]},
    },
}


def of_a_gpu(values: dict[str, Any], precision: str) -> Study:
    """The study as it is prepared where there is a GPU."""
    study = prepare(from_mapping({"seeds": 1, "devices": 1, **values}))
    training = dataclasses.replace(study.config.training, precision=precision)
    return study._replace(config=dataclasses.replace(study.config, training=training))


def products(program: str) -> list[str]:
    """What is said of the precision of every product in a program's text."""
    found = []
    for line in program.splitlines():
        if "stablehlo.dot_general" in line:
            algorithm = re.search(r"lhs_precision_type = (\w+)", line)
            asked = re.search(r"precision = \[(.*?)\]", line)
            said = algorithm or asked
            found.append(said[1] if said else "")
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("precision", SAID)
def test_every_product_of_training_has_the_precision_that_was_asked_for(
    case: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = of_a_gpu(CASES[case], precision)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    # The phases differ in their masks but for arithmetic.
    phases = {phase.arithmetic: phase for phase in study.phases if phase.name != "prefill"}
    for phase in phases.values():
        with devices.exact_products():
            chunk = chunks.train_chunk(study.program(phase), study.mesh)
            traced = chunk.trace(study.shapes(phase).parts[0], jax.ShapeDtypeStruct((), jnp.int32))
            found = products(traced.lower(lowering_platforms=("cuda",)).as_text())
        # Forward and both gradients of at least three layers.
        assert len(found) >= 7
        assert set(found) == {SAID[precision]}


def test_a_cpu_refuses_what_it_would_not_do() -> None:
    config = from_mapping({"training": {"precision": "tf32"}})
    with pytest.raises(ConfigError) as refused:
        prepare(config)
    assert str(refused.value) == (
        "training.precision: found tf32, and a CPU has no faster products than float32; "
        "allowed here: float32"
    )


def test_the_digest_of_runs_that_did_not_know_of_it_stays() -> None:
    plain, other = (
        from_mapping({"training": {"precision": name}}) for name in ("float32", "bfloat16")
    )
    assert "precision" not in plain.experiment()["training"]
    assert plain.digest() != other.digest()
