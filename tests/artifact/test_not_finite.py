"""No format makes an ordinary action of a NaN, an infinity, or a sum that overflows."""

import numpy as np
import pytest

from benchmarks import packed_originals, synthetic
from sparse_rl.architecture.operations import ArgMax, Flatten, MaxPool, Observation, Relu
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.graph import Convolution, Dense, Graph, Residual
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.artifact.runtime import Actor
from sparse_rl.artifact.weights import DynamicScale, Weights

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
    onnx_model = pytest.importorskip("sparse_rl.artifact.onnx.model")
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


NONE = np.zeros(1, np.float32)
FLAT = Dense(Weights(np.array([[1, -1]] * 6, np.float32)), np.zeros(2, np.float32))


def times(factor, scale=None):
    """A convolution that multiplies by a factor."""
    if scale is None:
        return Convolution(Weights(np.full((1, 1, 1, 1), factor, np.float32)), NONE)
    whole = np.full((1, 1, 1, 1), 127, np.int8)
    weights = Weights(whole, np.array([factor / 127], np.float32))
    return Convolution(weights, NONE, input_scale=scale)


OPPOSITE = (times(2), Residual((times(-1),)))
"""x + x - (x + x): nan where the sum overflows, else 0."""
READ_BY = {
    "a ReLU": (Residual((times(0),)), Relu()),
    "a ReLU behind a convolution": (times(1), Relu()),
    "a pool along rows": (MaxPool((1, 3), (1, 1), "SAME"), Relu()),
    "a pool": (MaxPool((2, 3), (1, 1), "SAME"), Relu()),
    "a dynamic scale": (times(1, DynamicScale()), Relu()),
    "a dynamic scale with a floor": (times(1, DynamicScale(1.0)), Relu()),
}


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("reader", READ_BY)
@pytest.mark.parametrize(
    ("backend", "target"),
    [("numpy", HOST), ("c", HOST), ("c", MICROCONTROLLER)],
    ids=["numpy", "c", "c for a microcontroller"],
)
def test_two_sums_that_overflow_against_each_other_are_refused(backend, target, reader, place):
    if backend == "c" and find_compiler() is None:
        pytest.skip("no C compiler found")
    steps = (*OPPOSITE, *READ_BY[reader], Flatten())
    graph = Graph(Observation((2, 3, 1)), (*steps, FLAT), ArgMax())
    actor = Actor(PackedActor(graph), backend, target)
    seen = np.ones((2, 3, 1), np.float32)
    assert actor(seen) == 0
    seen.flat[place] = 3e38
    with pytest.raises(ValueError, match="too large"):
        actor(seen)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_infinite_input_of_a_dynamic_scale_is_refused(backend):
    """Whatever the machine makes of an infinity times zero, and where a ReLU follows."""
    steps = (times(2), times(1, DynamicScale()), Relu(), Flatten())
    actor = Actor(PackedActor(Graph(Observation((2, 3, 1)), (*steps, FLAT), ArgMax())), backend)
    seen = np.ones((2, 3, 1), np.float32)
    assert actor(seen) == 0
    seen[1, 1] = 3e38
    with pytest.raises(ValueError, match="too large"):
        actor(seen)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sums_of_bytes_overflow_as_well(backend):
    head = Dense(Weights(np.array([[3e38, 1]] * 4, np.float32)), np.zeros(2, np.float32))
    actor = Actor(PackedActor(Graph(Observation((4,), "uint8"), (head,), ArgMax())), backend)
    assert actor(np.array([1, 0, 0, 0], np.uint8)) == 0
    with pytest.raises(ValueError, match="too large"):
        actor(np.full(4, 255, np.uint8))
