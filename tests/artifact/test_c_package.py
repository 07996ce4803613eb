"""C as it is delivered: names of one's own, known answers, a bound of the stack, batches."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic import minatar_q_network, mlp_actor, random_observations
from sparse_rl.artifact import reference
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, Source, generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.delivery import prepare, write
from sparse_rl.artifact.formats import CProgram
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.runtime import Actor

GCC = shutil.which("gcc")
pytestmark = pytest.mark.skipif(GCC is None, reason="gcc not found")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wshadow", "-pedantic", "-Werror", "-ffp-contract=off"]
ACTORS = {
    "mlp": compact(mlp_actor((17, 64, 64, 6), 0.9, "int8")),
    "minatar": compact(minatar_q_network(0.9, "float32")),
}


def with_answers(graph: Graph, target=HOST) -> Source:
    seen = random_observations(graph, 40)
    return generate(graph, target, "a */ title", known=(seen, reference.act(graph, seen)))


def built(folder: Path, main: str, *sources: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.c").write_text(main)
    command = [GCC, *STRICT, "-O2", "-o", "program", "program.c", *sources, "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return subprocess.run([folder / "program"], capture_output=True, text=True)


def test_two_actors_are_linked_into_one_program_and_know_their_answers(tmp_path):
    with_answers(ACTORS["mlp"]).with_prefix("walker").write(tmp_path)
    with_answers(ACTORS["minatar"]).with_prefix("breakout").write(tmp_path)
    files = {path.name for path in tmp_path.iterdir()}
    assert {"walker_actor.c", "walker_actor.h", "breakout_selftest.c", "Makefile"} <= files
    found = built(
        tmp_path,
        """
        #include <stdio.h>
        #include "walker_actor.h"
        #include "breakout_actor.h"
        int main(void)
        {
            printf("%d %d %d %d", walker_selftest(), breakout_selftest(),
                   WALKER_ACTION_SIZE, BREAKOUT_DISCRETE);
            return 0;
        }
        """,
        *(f"{name}_{part}.c" for name in ("walker", "breakout") for part in ("actor", "selftest")),
    )
    assert found.stdout == "0 0 6 1"


@pytest.mark.parametrize("name", ACTORS)
def test_a_wrong_weight_is_noticed(tmp_path, name):
    graph = ACTORS[name]
    source = with_answers(graph, MICROCONTROLLER)
    source.write(tmp_path)
    text = (tmp_path / "srl_actor.c").read_text()
    # The last layer's biases, doubled and turned round.
    found = re.findall(r"static const float layer_\d+_bias\[\d+\] = \{\n(.*?)\};", text, re.S)
    values = [float(word) for word in found[-1].replace("f", "").split(",")]
    changed = ", ".join(f"{-2 * value - 1:.6f}f" for value in reversed(values))
    (tmp_path / "srl_actor.c").write_text(text.replace(found[-1], changed))
    main = '#include "srl_actor.h"\nint main(void) { return srl_selftest(); }\n'
    result = built(tmp_path, main, "srl_actor.c", "srl_selftest.c")
    assert 1 <= result.returncode <= 10


def test_prefixes_that_are_no_names_are_refused():
    source = with_answers(ACTORS["mlp"])
    for bad in ("", "Big", "1st", "a-b", "a b", "x" * 32, "é"):
        with pytest.raises(ValueError, match="prefix: found"):
            source.with_prefix(bad)
    assert source.with_prefix("srl").files == source.files


@pytest.mark.parametrize("target", [HOST, MICROCONTROLLER], ids=lambda target: target.name)
@pytest.mark.parametrize("name", ACTORS)
def test_the_header_bounds_the_arrays_on_the_stack(tmp_path, name, target):
    source = with_answers(ACTORS[name], target)
    source.write(tmp_path)
    said = int(re.search(r"SRL_STACK_BYTES (\d+)", source.files["srl_actor.h"])[1])  # type: ignore[index]
    command = [GCC, *STRICT, "-O0", "-fstack-usage", "-c", "srl_actor.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    usage = {}
    for line in (tmp_path / "srl_actor.su").read_text().splitlines():
        where, size, _ = line.split("\t")
        usage[where.rpartition(":")[2]] = int(size)
    together = usage["srl_act"] + usage["srl_outputs"]
    layers = [
        size
        for called, size in usage.items()
        if called not in ("srl_act", "srl_outputs", "srl_act_batch")
    ]
    measured = together + max(layers)
    # Without optimization nothing shares a place: what is more than arrays are single variables.
    assert said <= measured <= said + 600
    assert said == source.stack_bytes


@pytest.mark.parametrize("name", ACTORS)
def test_a_batch_stops_at_the_first_observation_that_is_not_finite(name):
    graph = ACTORS[name]
    actor = Actor(PackedActor(graph), "c")
    seen = random_observations(graph, 1024)
    np.testing.assert_allclose(actor(seen), reference.act(graph, seen), rtol=0, atol=1e-6)
    if graph.observation.dtype == "float32":
        assert actor._c is not None
        seen[700, 3] = np.nan
        actions = np.zeros((1024, 6), np.float32)
        done = actor._c._act(seen.ctypes.data, actions.ctypes.data, 1024)
        assert done == 700 and actions[699].any() and not actions[700:].any()


def test_delivered_c_says_where_it_is_from(tmp_path):
    graph = ACTORS["mlp"]
    about = Provenance("mujoco/Walker2d-v4", "0.9-int8", 3, "", 1234.5)
    delivery = prepare(graph, about, random_observations(graph, 50))
    written = write(delivery, "c", tmp_path, CProgram("microcontroller", "walker"))
    header = (written.path / "walker_actor.h").read_text()
    assert "mujoco/Walker2d-v4, variant 0.9-int8, seed 3" in header
    assert "Return 1234.5 when trained." in header and "Actions from -1 to 1" in header
    assert written.difference is not None and written.difference <= 1e-5
