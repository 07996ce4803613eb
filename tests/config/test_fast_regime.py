"""The configurations of the fast regime, beside the paper's."""

from dataclasses import replace

import jax
import pytest

from sparse_rl import envs
from sparse_rl.architecture import LayerNorm
from sparse_rl.config.reading import from_mapping, load_config
from sparse_rl.config.text import FOLDER
from sparse_rl.dot_products import FLOAT32
from sparse_rl.study.preparation import build_agent

NAMES = sorted(path.stem for path in FOLDER.glob("*_fast_*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_sixteen_steps_for_a_gradient_step(name: str) -> None:
    config = load_config(name)
    assert config.steps_per_update == 16 * config.training.gradient_steps
    assert 32 <= config.training.environments <= 128
    assert config.agent.critic_layer_norm and not config.network.layer_norm


@pytest.mark.parametrize("name", [name for name in NAMES if "halfcheetah" in name])
def test_the_study_is_that_of_the_papers_regime(name: str) -> None:
    fast, paper = load_config(name), load_config(f"sac_{name.partition('_fast_')[2]}")
    assert fast.environment == paper.environment
    assert replace(fast.sparsity, interval=1_000) == paper.sparsity
    assert fast.quantization == paper.quantization
    assert fast.network.hidden == paper.network.hidden
    for config in (fast, paper):
        assert (config.prune_end - config.prune_begin) / config.sparsity.interval == 600


@pytest.mark.parametrize("name", ["sac", "td3", "ddpg"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_layer_norm_of_the_critics_is_not_delivered(name: str, everywhere: bool) -> None:
    config = from_mapping(
        {
            "agent": {"name": name, "critic_layer_norm": True},
            "network": {"hidden": [8, 8], "layer_norm": everywhere},
        }
    )
    agent = build_agent(config, envs.make(config.environment).spec, FLOAT32)
    state = jax.eval_shape(agent.init, jax.random.key(0))
    critics = state.critics.params["params"]
    assert {"norm_0", "norm_1"} <= set(critics)
    delivered = [isinstance(one, LayerNorm) for one in agent.policy_network.operations]
    assert sum(delivered) == (2 if everywhere else 0)
    assert ("norm_0" in state.policy.params["params"]) == everywhere
