"""The QONNX model, evaluated with Quant as its paper defines it, against the graph."""

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact import reference
from sparse_rl.artifact.binding import bind
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.packed import Provenance
from tests.artifact.test_powers_of_two import NETWORKS, actor

pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper

from sparse_rl.artifact.onnx import qonnx_model


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_the_graph_to_the_bit(name):
    network, arrays, seen = actor(name)
    graph = compact(bind(network, arrays, "integer"))
    model = qonnx_model.to_qonnx(graph)
    last = model.graph.node[-1]
    outputs = last.input[0]
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info(outputs, TensorProto.FLOAT, ["batch", *graph.output_shape])
    )
    expected = reference.outputs(graph, seen)
    assert expected.std(axis=0).max() > 1e-3
    np.testing.assert_array_equal(qonnx_model.act(model, seen), expected)


def test_every_layer_is_rounded_and_pruned_weights_are_zeros():
    network, arrays, seen = actor("mlp")
    graph = bind(network, arrays, "integer")
    model = qonnx_model.to_qonnx(graph, Provenance("gymnax/Pendulum-v1", "0.9-integer", 3))
    kinds = [node.op_type for node in model.graph.node]
    every = list(layers(graph.operations))
    assert kinds.count("Quant") == 3 * len(every)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for quant in (node for node in model.graph.node if node.op_type == "Quant"):
        values, (scale, zero, bits) = quant.input[0], (stored[name] for name in quant.input[1:])
        assert quant.domain == "qonnx.custom_op.general"
        assert (np.log2(scale) % 1 == 0).all() and zero == 0
        if values in stored:  # a weight or a bias: whole, and within its bits
            whole = stored[values] / scale
            assert (whole == np.rint(whole)).all()
            assert np.abs(whole).max() <= 2 ** (bits - 1) - 1
    kernels = [array for array in stored.values() if array.ndim == 2]
    assert [np.count_nonzero(array) for array in kernels] == [
        layer.weights.nonzero for layer in every
    ]
    told = {prop.key: prop.value for prop in model.metadata_props}
    assert told["environment"] == "gymnax/Pendulum-v1" and told["seed"] == "3"
    np.testing.assert_allclose(
        qonnx_model.act(model, seen), reference.act(graph, seen), rtol=0, atol=1e-6
    )


def test_int8_weights_with_float_inputs_are_rounded_too():
    graph = synthetic.mlp_actor((17, 16, 6), 0.5, "int8w")
    seen = synthetic.random_observations(graph, 30)
    model = qonnx_model.to_qonnx(graph)
    assert [node.op_type for node in model.graph.node].count("Quant") == 2
    np.testing.assert_allclose(
        qonnx_model.act(model, seen), reference.act(graph, seen), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(
    "kind, said", [("int8", "found for each observation"), ("float32", "whole numbers")]
)
def test_what_cannot_be_said_is_refused(kind, said):
    with pytest.raises(ValueError, match=said):
        qonnx_model.to_qonnx(synthetic.mlp_actor((3, 8, 2), 0.5, kind))
