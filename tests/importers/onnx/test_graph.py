"""ONNX models: those of torch.onnx, our own, and nodes one by one against onnxruntime."""

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.architecture.operations import (
    ArgMax,
    Clip,
    Flatten,
    Observation,
    Relu,
    Squash,
    Tanh,
)
from sparse_rl.artifact import graph as bound
from sparse_rl.artifact import reference
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.packed import PackedActor, from_bytes, to_bytes
from sparse_rl.artifact.weights import Weights
from sparse_rl.importers import read_policy
from tests.importers.stored import DATA, check_actions, stored

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
onnx_model = pytest.importorskip("sparse_rl.artifact.onnx.model")

RANDOM = np.random.default_rng(0)
MEANS = Clip((-10.0,) * 2, (10.0,) * 2)


@pytest.mark.parametrize("name", ["onnx_sac", "onnx_normalized"])
def test_exports_of_torch_act_as_in_pytorch(name):
    imported = read_policy(DATA / f"{name}.onnx")
    assert imported.origin.startswith("ONNX, pytorch")
    check_actions(imported.graph, *stored(name))


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("onnx_ppo", Clip((-2.0,), (2.0,))),
        ("onnx_ppo_discrete", None),
        ("onnx_sac_actor", Squash((-2.0,), (2.0,))),
    ],
)
def test_exports_as_stable_baselines3_documents_them(name, output):
    check_actions(read_policy(DATA / f"{name}.onnx", output=output).graph, *stored(name))


@pytest.mark.parametrize("name", ["onnx_images_last", "onnx_images_first", "onnx_dynamo"])
def test_exports_of_images_act_as_in_pytorch(name):
    graph = read_policy(DATA / f"{name}.onnx", output=ArgMax()).graph
    assert graph.observation == Observation((10, 12, 2), "uint8", 255.0)
    images, expected = stored(name)
    if name.endswith("first"):
        images = images.transpose(0, 2, 3, 1)
    values = reference.outputs(graph, images)
    np.testing.assert_allclose(values, expected, atol=1e-5)
    repacked = from_bytes(to_bytes(PackedActor(graph))).graph
    np.testing.assert_array_equal(reference.outputs(repacked, images), values)


def small(*operations, shape=(3,), output=None, dtype="float32", divisor=1.0):
    return Graph(Observation(shape, dtype, divisor), operations, output or ArgMax())


def dense(inputs, outputs):
    kernel = RANDOM.normal(size=(inputs, outputs)).astype(np.float32)
    return bound.Dense(Weights(kernel), RANDOM.normal(size=outputs).astype(np.float32))


def convolution(channels, features, padding="VALID"):
    kernel = RANDOM.normal(size=(3, 3, channels, features)).astype(np.float32)
    bias = RANDOM.normal(size=features).astype(np.float32)
    return bound.Convolution(Weights(kernel), bias, (2, 1), padding)


def statistics(shape):
    mean, variance = RANDOM.normal(size=shape), RANDOM.uniform(0.5, 2, shape)
    return bound.Normalize(mean.astype(np.float32), variance.astype(np.float32), 1e-8, 2.0)


OWN = {
    "mlp": synthetic.mlp_actor((5, 16, 12, 2), 0.3, "float32"),
    "minatar": synthetic.minatar_q_network(0.5, "float32"),
    "nature": synthetic.nature_q_network(44, 0.5, "float32"),
    "impala": synthetic.impala_q_network(30, (4, 8, 8), 16, 0.5, "float32"),
    "normalized": small(
        statistics(3), dense(3, 8), Tanh(), dense(8, 2), output=Squash((-2.0, 0.5), (1.0, 3.0))
    ),
    "clipped": small(dense(3, 8), Relu(), dense(8, 2), output=Clip((-2.0, 0.5), (1.0, 3.0))),
    "normalized image": small(
        statistics((9, 8, 2)),
        convolution(2, 4, "SAME"),
        Relu(),
        Flatten(),
        dense(5 * 8 * 4, 3),
        shape=(9, 8, 2),
    ),
    "matrix": small(Flatten(), dense(6, 3), shape=(2, 3)),
    "bytes": small(dense(3, 3), dtype="uint8", divisor=255.0),
}


@pytest.mark.parametrize("name", OWN)
def test_our_own_models_are_read_as_they_were(tmp_path, name):
    graph = OWN[name]
    onnx_model.save(tmp_path / "actor.onnx", graph)
    imported = read_policy(tmp_path / "actor.onnx")
    assert imported.origin == "ONNX, sparse_rl"
    assert imported.graph.observation.shape == graph.observation.shape
    assert imported.graph.observation.divisor == graph.observation.divisor
    seen = synthetic.random_observations(graph, 60)
    np.testing.assert_allclose(
        reference.outputs(imported.graph, seen),
        reference.outputs(graph, seen),
        rtol=1e-4,
        atol=1e-5,
    )
    if not isinstance(graph.output, ArgMax):
        check_actions(imported.graph, seen, reference.act(graph, seen))


W = RANDOM.normal(size=(3, 2)).astype(np.float32)
B = RANDOM.normal(size=2).astype(np.float32)
LONG = np.array([-1, 3], np.int64)


def node(kind, inputs, **attributes):
    """A node that reads `inputs`, where numbers are constants; its output is called y later."""
    return kind, inputs, attributes


def model(*nodes, shape=("batch", 3), rank=2, element=TensorProto.FLOAT, change=None):
    initializers, made, last = [], [], "x"
    for position, (kind, inputs, attributes) in enumerate(nodes):
        names = []
        for value in inputs:
            if isinstance(value, str):
                names.append(last if value == "." else value)
            else:
                names.append(f"c{len(initializers)}")
                initializers.append(numpy_helper.from_array(np.asarray(value), names[-1]))
        last = f"y{position}"
        made.append(helper.make_node(kind, names, [last], **attributes))
    inputs = [helper.make_tensor_value_info("x", element, shape)]
    kind = TensorProto.INT64 if nodes[-1][0] == "ArgMax" else TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info(last, kind, [None] * rank)]
    graph = helper.make_graph(made, "policy", inputs, outputs, initializers)
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    result.ir_version = 8
    if change:
        change(result)
    return result


def imported(tmp_path, proto, output=None):
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    return read_policy(tmp_path / "model.onnx", output=output).graph


def run(proto, x):
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


f32 = np.float32
VECTORS = {
    "product and sum": [node("MatMul", [".", W]), node("Add", [".", B])],
    "sum and product": [node("MatMul", [".", W]), node("Add", [B, "."])],
    "gemm transposed": [node("Gemm", [".", W.T.copy(), B], transB=1)],
    "gemm without bias": [node("Gemm", [".", W])],
    "a scalar bias": [node("Gemm", [".", W, f32(0.5)])],
    "factors between layers": [
        node("Mul", [".", f32([2, -1, 0.5])[None]]),
        node("MatMul", [".", np.eye(3, dtype=f32)]),
        node("Mul", [".", f32([1, 2, 4])]),
        node("Sub", [f32(1), "."]),
        node("Relu", ["."]),
        node("Gemm", [".", W, B]),
    ],
    "an affine map in front": [
        node("Div", [".", f32([1, 2, 4])]),
        node("Add", [".", f32([1, 0, -1])]),
        node("Gemm", [".", W, B]),
    ],
    "a clipped normalization": [
        node("Sub", [".", f32([1, 0, -1])]),
        node("Div", [".", f32([1, 2, 4])]),
        node("Max", [".", f32(-0.5)]),
        node("Min", [".", f32(0.5)]),
        node("Gemm", [".", W, B]),
    ],
    "a ReLU that is a clip": [
        node("MatMul", [".", np.eye(3, dtype=f32)]),
        node("Clip", [".", f32(0)]),
        node("Gemm", [".", W, B]),
    ],
    "nothing": [
        node("Identity", ["."]),
        node("Cast", ["."], to=1),
        node("Flatten", ["."], axis=1),
        node("Reshape", [".", LONG]),
        node("Transpose", ["."], perm=[0, 1]),
        node("Gemm", [".", W, B]),
    ],
    "a tanh that is rescaled between layers": [
        node("MatMul", [".", np.eye(3, dtype=f32)]),
        node("Tanh", ["."]),
        node("Mul", [".", f32([1, 2, 4])]),
        node("Gemm", [".", W, B]),
    ],
}


@pytest.mark.parametrize("name", VECTORS)
def test_nodes_give_what_onnxruntime_gives(tmp_path, name):
    nodes = list(VECTORS[name])
    if name == "factors between layers":
        nodes = nodes[1:]
    proto = model(*nodes)
    x = RANDOM.normal(size=(50, 3)).astype(np.float32)
    graph = imported(tmp_path, proto, ArgMax())
    np.testing.assert_allclose(reference.outputs(graph, x), run(proto, x), rtol=1e-5, atol=1e-5)


def test_an_image_flattened_and_multiplied_by_position(tmp_path):
    kernel = RANDOM.normal(size=(4, 2, 3, 3)).astype(np.float32)
    factors = RANDOM.uniform(1, 2, 4 * 3 * 4).astype(np.float32)
    last = RANDOM.normal(size=(4 * 3 * 4, 2)).astype(np.float32)
    proto = model(
        node("Conv", [".", kernel], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Mul", [".", RANDOM.normal(size=(4, 1, 1)).astype(np.float32)]),
        node("MaxPool", ["."], kernel_shape=[2, 2], strides=[2, 2]),
        node("Relu", ["."]),
        node("Flatten", ["."]),
        node("Mul", [".", factors]),
        node("MatMul", [".", last]),
        shape=("batch", 2, 6, 8),
    )
    x = RANDOM.normal(size=(5, 2, 6, 8)).astype(np.float32)
    graph = imported(tmp_path, proto, ArgMax())
    found = reference.outputs(graph, x.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(found, run(proto, x), rtol=1e-4, atol=1e-4)


def test_one_observation_without_a_batch(tmp_path):
    axes = np.array([0], np.int64)
    proto = model(
        node("Unsqueeze", [".", axes]),
        node("Gemm", [".", W, B]),
        node("Squeeze", [".", axes]),
        shape=(3,),
        rank=1,
    )
    x = RANDOM.normal(size=3).astype(np.float32)
    graph = imported(tmp_path, proto, ArgMax())
    np.testing.assert_allclose(reference.outputs(graph, x[None])[0], run(proto, x), rtol=1e-5)


def test_the_output_is_the_models_or_the_callers(tmp_path):
    means = [node("Gemm", [".", W, B])]
    tanh = [*means, node("Tanh", ["."])]
    unit, wide = Squash((-1.0,) * 2, (1.0,) * 2), Squash((-2.0, 0.0), (2.0, 1.0))
    assert imported(tmp_path, model(*tanh)).output == unit
    assert imported(tmp_path, model(*tanh), wide).output == wide
    rescaled = [*tanh, node("Mul", [".", f32([2, 0.5])]), node("Add", [".", f32([0, 0.5])])]
    assert imported(tmp_path, model(*rescaled)).output == wide
    clamped = [*rescaled, node("Max", [".", f32([-2, 0])]), node("Min", [".", f32([2, 1])])]
    assert imported(tmp_path, model(*clamped)).output == wide
    assert imported(tmp_path, model(*means, node("ArgMax", ["."], axis=1))).output == ArgMax()
    bounds = Clip((-2.0, 0.0), (2.0, 1.0))
    x = RANDOM.normal(0, 2, size=(50, 3)).astype(np.float32)
    clipped = model(*means, node("Max", [".", f32([-2, 0])]), node("Min", [".", f32([2, 1])]))
    for graph in (imported(tmp_path, model(*means), bounds), imported(tmp_path, clipped)):
        assert graph.output == bounds
        np.testing.assert_allclose(reference.act(graph, x), run(clipped, x), atol=1e-5)
    with pytest.raises(ValueError, match="ends with means or values: output is needed"):
        imported(tmp_path, model(*means))
    with pytest.raises(ValueError, match="output: found Clip"):
        imported(tmp_path, model(*rescaled), bounds)


def external(proto):
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def huge(proto):
    proto.graph.initializer[0].dims[0] = 1 << 40


GEMM = node("Gemm", [".", W, B])
REFUSED = {
    "node y1, Sigmoid: an operator that is not read": model(GEMM, node("Sigmoid", ["."])),
    "node y0, Gemm: alpha or beta": model(node("Gemm", [".", W, B], alpha=2.0)),
    "node y0, Gemm: transA": model(node("Gemm", [".", W, B], transA=1)),
    "node y0, MatMul: an input that depends on": model(node("MatMul", [".", "."])),
    "node y1, Mul: two tensors that depend": model(GEMM, node("Mul", [".", "."])),
    "node y1, Add: a sum of two tensors": model(GEMM, node("Add", [".", "."])),
    "node y0, Gemm: a kernel (4, 2) after": model(node("Gemm", [".", np.zeros((4, 2), f32)])),
    "node y0, Cast: a cast to type 7": model(node("Cast", ["."], to=7), GEMM),
    "node y1, Gemm: a clip that is not symmetric": model(
        node("Clip", [".", f32(-1), f32(2)]), node("Gemm", [".", W])
    ),
    "node y1, Gemm: a factor that is not positive": model(node("Mul", [".", f32(-1)]), GEMM),
    "node y2, Clip: a clip that cuts a tanh": model(
        GEMM, node("Tanh", ["."]), node("Clip", [".", f32(-0.5), f32(0.5)])
    ),
    "node y0, Div: a division by zero": model(node("Div", [".", f32([1, 0, 1])]), GEMM),
    "node y0, Add: a constant of shape (4,)": model(node("Add", [".", f32([1] * 4)]), GEMM),
    "node y0, Reshape: a reshape to [3, -1]": model(
        node("Reshape", [".", np.array([3, -1])]), GEMM
    ),
    "node y1, ArgMax: the axis 0": model(GEMM, node("ArgMax", ["."], axis=0)),
    "node y1, Unsqueeze: axes [1]": model(GEMM, node("Unsqueeze", [".", np.array([1])]), rank=3),
    "tensor c0: its numbers are in another file": model(GEMM, change=external),
    "tensor c0: the sizes [1099511627776, 2]": model(GEMM, change=huge),
    "input x: type 7": model(GEMM, element=TensorProto.INT64),
    "input x: the sizes [0, 0]": model(GEMM, shape=("batch", "n")),
    "pads [1, 1, 0, 0]": model(
        node("Conv", [".", np.zeros((1, 1, 3, 3), f32)], pads=[1, 1, 0, 0]), shape=(1, 1, 5, 5)
    ),
    "dilations": model(
        node("Conv", [".", np.zeros((1, 1, 2, 2), f32)], dilations=[2, 2]), shape=(1, 1, 5, 5)
    ),
    "groups": model(node("Conv", [".", np.zeros((2, 1, 2, 2), f32)], group=2), shape=(1, 2, 5, 5)),
    "does not end with a dense layer": model(node("Tanh", ["."])),
    "an operator after a softmax": model(GEMM, node("Softmax", ["."]), node("Relu", ["."])),
    "the model ends with a softmax": model(GEMM, node("Softmax", ["."], axis=1)),
    "node y1, Softmax: an operator that is not read": model(GEMM, node("Softmax", ["."], axis=0)),
    "node y0, Sub: arithmetic in uint8": model(
        node("Sub", [".", np.uint8(128)]),
        node("Cast", ["."], to=1),
        GEMM,
        element=TensorProto.UINT8,
    ),
    "an operator of 'mine'": model(node("Gemm", [".", W, B], domain="mine")),
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_not_read_is_one_line(tmp_path, line):
    with pytest.raises(ValueError) as error:
        imported(tmp_path, REFUSED[line], MEANS)
    assert line in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "model.onnx"))


def test_arrays_of_many_nodes_have_a_limit(tmp_path):
    wide = np.zeros((2048, 2048), f32)
    nodes = [node("MatMul", [".", wide])]
    proto = model(*nodes, shape=("batch", 2048))
    for k in range(40):
        proto.graph.node.add(op_type="MatMul", input=[f"y{k}", "c0"], output=[f"y{k + 1}"])
    proto.graph.output[0].name = "y40"
    with pytest.raises(ValueError, match="more than 134217728 elements in all"):
        imported(tmp_path, proto, ArgMax())


def wrapped(number, content):
    """A field of bytes in Protocol Buffers."""
    length, size = b"", len(content)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 & 127 | 2 | (128 if number > 15 else 0)]) + (
        (bytes([number >> 4]) if number > 15 else b"") + length + bytes([size]) + content
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (wrapped(7, b"\x0a\x00" * (1 << 18)), "more than 262144 fields"),
        (wrapped(7, wrapped(1, b"\x2a\x00" * (1 << 18))), "more than 262144 fields"),
        (wrapped(7, wrapped(11, wrapped(2, b"\x0a\x00" * (1 << 18)))), "more than 262144 fields"),
        (wrapped(7, wrapped(1, wrapped(5, wrapped(6, b"")))), "a field 6 in an attribute"),
        (wrapped(7, wrapped(15, b"")), "a field 15 in the graph"),
        (wrapped(25, b""), "a field 25 in the model"),
        (b"\x3a\x05abc", "no ONNX model"),
        (b"\x0b\x0c", "no ONNX model"),
    ],
)
def test_fields_are_counted_before_they_are_objects(tmp_path, content, line):
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08" + content)
    with pytest.raises(ValueError, match=line):
        read_policy(tmp_path / "model.onnx")


def test_names_that_are_no_text_are_no_error(tmp_path):
    data = (DATA / "onnx_sac.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(data.replace(b"pytorch", b"\xff\xfetorch", 1))
    check_actions(read_policy(tmp_path / "model.onnx").graph, *stored("onnx_sac"))


def test_without_onnx_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.startswith("sparse_rl.importers.onnx.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("sparse_rl.importers.onnx.graph", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"onnx is not installed; pip install 'sparse_rl\[onnx\]'"):
        read_policy(DATA / "onnx_sac.onnx")
