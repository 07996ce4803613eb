"""No format makes an ordinary action of a NaN, an infinity, or a sum that overflows."""

import numpy as np
import pytest

from benchmarks import packed_originals, synthetic
from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.artifact.runtime import Actor

KINDS = ("float32", "int8w", "int8", "integer", "static")
BACKENDS = ["numpy", pytest.param("c", marks=pytest.mark.skipif(
    find_compiler() is None, reason="no C compiler found"))]  # fmt: skip


def actors():
    for kind in KINDS:
        base = "int8" if kind == "static" else kind
        graph = synthetic.mlp_actor((4, 16, 2), 0.5, base)  # type: ignore[arg-type]
        if kind == "static":
            graph = synthetic.with_static_scales(graph, synthetic.random_observations(graph, 30))
        yield pytest.param(graph, id=kind)
        discrete = Graph(graph.observation, graph.operations, ArgMax())
        yield pytest.param(discrete, id=f"{kind} that chooses")
    yield pytest.param(packed_originals.everything(), id="normalized, with tanh and layer norm")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("graph", actors())
def test_numpy_and_c_refuse(graph, backend, value):
    actor = Actor(PackedActor(graph), backend)
    for place in range(4):
        observation = np.zeros(4, np.float32)
        observation[place] = value
        for given in (observation, observation[None]):
            with pytest.raises(ValueError, match="not finite"):
                actor(given)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("graph", actors())
def test_huge_numbers_give_an_action_or_are_refused(graph, backend):
    actor = Actor(PackedActor(graph), backend)
    for value in (1e30, -1e30, 3e38, -3e38):
        for place in range(4):
            observation = np.zeros(4, np.float32)
            observation[place] = value
            try:
                assert np.isfinite(actor(observation)).all()
            except ValueError as error:
                assert "too large" in str(error) and abs(value) > 1e30


@pytest.mark.parametrize("graph", actors())
def test_onnx_says_so_in_every_action(graph):
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx_model = pytest.importorskip("sparse_rl.artifact.onnx_model")
    session = onnxruntime.InferenceSession(
        onnx_model.to_onnx(graph).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for value in (np.nan, np.inf, -np.inf, 1e30):
        observations = np.zeros((5, 4), np.float32)
        observations[np.arange(4), np.arange(4)] = value
        actions = session.run(None, {"observation": observations})[0]
        bad = actions == -1 if actions.dtype == np.int64 else np.isnan(actions).all(axis=1)
        # The fifth is finite, and others in the batch do not touch it.
        assert bad.tolist() == [not np.isfinite(value)] * 4 + [False]
