"""Actors as WebAssembly, in a browser, against NumPy: every arithmetic, 1,000 observations each."""

import json

import numpy as np
import pytest

from benchmarks.synthetic import (
    minatar_q_network,
    mlp_actor,
    random_observations,
    with_static_scales,
)
from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import reference, wasm
from sparse_rl.artifact.binding import bind
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.compression.post_training import in_powers_of_two
from sparse_rl.play.levels import Level
from sparse_rl.play.page import described
from tests.artifact.test_operations import NETWORKS, arrays_of
from tests.browser import Browser
from tests.play.in_a_page import acted, blank

try:
    wasm.check_tools()
except ValueError as error:
    pytest.skip(str(error), allow_module_level=True)

NUMBER = 1000


@pytest.fixture(scope="module")
def page(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    file = tmp_path_factory.mktemp("actors") / "actors.html"
    file.write_text(blank("random", "actor"))
    chromium.open(file)
    return chromium


def mlp(arithmetic: str, sparsity: float) -> PackedActor:
    if arithmetic not in ("integer", "static"):
        return PackedActor(compact(mlp_actor((3, 64, 64, 2), sparsity, arithmetic)))
    return in_integers(mlp_actor((3, 64, 64, 2), sparsity, "int8"), arithmetic)


def planes(arithmetic: str, sparsity: float) -> PackedActor:
    if arithmetic not in ("integer", "static"):
        return PackedActor(compact(minatar_q_network(sparsity, arithmetic)))
    return in_integers(minatar_q_network(sparsity, "int8"), arithmetic)


def in_integers(graph: Graph, arithmetic: str) -> PackedActor:
    """Powers of two as they are trained; or scales that are fixed afterwards."""
    seen = random_observations(graph, 64, 9)
    if arithmetic == "integer":
        return PackedActor(compact(in_powers_of_two(graph, seen)))
    return PackedActor(compact(with_static_scales(graph, seen)))


@pytest.mark.parametrize("sparsity", [0.0, 0.9, 0.98])
@pytest.mark.parametrize("arithmetic", ["float32", "int8w", "int8", "integer", "static"])
@pytest.mark.parametrize("make", [mlp, planes], ids=["mlp", "planes"])
def test_a_module_acts_as_numpy_does(page: Browser, make, arithmetic: str, sparsity: float) -> None:
    actor = make(arithmetic, sparsity)
    graph = actor.graph
    observations = random_observations(graph, NUMBER, 5)
    level = json.dumps(described(Level("one", actor, 1), wasm.compiled))
    actions, outputs = acted(page, level, observations)
    expected = reference.outputs(graph, observations)
    assert expected.std() > 0
    if arithmetic in ("float32", "int8w"):
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    else:  # sums of whole numbers, in whatever order: the same bits
        np.testing.assert_array_equal(outputs, expected)
    acts = reference.action_of(graph, expected)
    if isinstance(graph.output, ArgMax):
        top = np.sort(expected, axis=1)
        clear = top[:, -1] - top[:, -2] > 2e-5 * np.abs(expected).max()
        assert clear.mean() > 0.99
        np.testing.assert_array_equal(actions[clear, 0], acts[clear])
    else:
        np.testing.assert_allclose(actions, acts, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_operation_is_there(page: Browser, name: str) -> None:
    """tanh and layer norm between layers, residual bodies, pooling, normalized observations."""
    graph = bind(NETWORKS[name], arrays_of(NETWORKS[name]), "float32")
    observations = random_observations(graph, NUMBER, 6)
    _, outputs = acted(
        page,
        json.dumps(described(Level("one", PackedActor(graph), 1), wasm.compiled)),
        observations,
    )
    expected = reference.outputs(graph, observations)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_module_imports_nothing_and_refuses_what_is_not_finite(page: Browser) -> None:
    level = json.dumps(described(Level("one", mlp("float32", 0.9), 1), wasm.compiled))
    found = page.ask(f"""(async () => {{
      const level = {level}, actor = await actorOf(level, {wasm.PLACES});
      actor.observation.set([0, NaN, 0]);
      let refused = "";
      try {{ actor.act(); }} catch (error) {{ refused = error.message; }}
      const packed = Uint8Array.from(atob(level.module), (c) => c.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      const module = await WebAssembly.compile(await new Response(stream).arrayBuffer());
      return [WebAssembly.Module.imports(module), refused];
    }})()""")
    assert found == [[], "not finite"]


def test_without_a_compiler_the_refusal_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"^clang and wasm-ld: not found; .*apt-get install"):
        wasm.compiled(mlp("float32", 0.9))
