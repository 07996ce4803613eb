"""The ONNX model, run by onnxruntime, against the graph."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.architecture.operations import ArgMax, Squash
from sparse_rl.artifact import reference

onnxruntime = pytest.importorskip("onnxruntime")
onnx_model = pytest.importorskip("sparse_rl.artifact.onnx.model")


def actions_of(graph, observations):
    session = onnxruntime.InferenceSession(
        onnx_model.to_onnx(graph).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"observation": observations})[0]


@pytest.mark.parametrize("quantization", ["float32", "int8w", "int8", "static"])
def test_actions_are_those_of_the_graph(architecture, quantization):
    kind = "int8" if quantization == "static" else quantization
    graph = architecture(sparsity=0.8, quantization=kind)
    observations = synthetic.random_observations(graph, 50)
    if quantization == "static":
        graph = synthetic.with_static_scales(graph, observations)
    found, expected = actions_of(graph, observations), reference.act(graph, observations)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if isinstance(graph.output, ArgMax):
        # Equal values within rounding may be told apart differently.
        assert np.mean(found == expected) >= 0.94
    else:
        # QDQ runtimes divide by the scale where training multiplies by its inverse.
        limit = 0.02 if quantization == "static" else 1e-5
        np.testing.assert_allclose(found, expected, rtol=0, atol=limit)


def test_int8_weights_are_stored_as_int8():
    whole = len(
        onnx_model.to_onnx(
            synthetic.mlp_actor(sparsity=0.5, quantization="float32")
        ).SerializeToString()
    )
    for quantization in ("int8w", "int8"):
        graph = synthetic.mlp_actor(sparsity=0.5, quantization=quantization)
        assert len(onnx_model.to_onnx(graph).SerializeToString()) < 0.3 * whole


def test_static_graphs_have_quantize_and_dequantize_nodes(tmp_path):
    graph = synthetic.mlp_actor((3, 8, 2), 0.0, "int8")
    graph = synthetic.with_static_scales(graph, synthetic.random_observations(graph, 5))
    kinds = [node.op_type for node in onnx_model.to_onnx(graph).graph.node]
    assert kinds.count("QuantizeLinear") == 2
    assert kinds.count("DequantizeLinear") == 4
    size = onnx_model.save(tmp_path / "actor.onnx", graph)
    assert [path.name for path in tmp_path.iterdir()] == ["actor.onnx"]
    assert (tmp_path / "actor.onnx").stat().st_size == size


@pytest.mark.parametrize("low, high", [((-1.0, -1.0), (1.0, 1.0)), ((-2.0, 0.0), (2.0, 3.0))])
def test_the_network_alone_has_nothing_but_its_layers(low, high):
    graph = synthetic.mlp_actor((3, 8, 2), 0.0, "float32")
    graph = replace(graph, output=Squash(low, high))
    model = onnx_model.to_unguarded_onnx(graph)
    kinds = [node.op_type for node in model.graph.node]
    layers = ["Gemm", "Relu", "Gemm", "Tanh"]
    assert kinds == (layers if low == (-1.0, -1.0) else [*layers, "Mul", "Add"])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    seen = synthetic.random_observations(graph, 20)
    found = session.run(None, {"observation": seen})[0]
    np.testing.assert_allclose(found, reference.act(graph, seen), rtol=0, atol=1e-6)


def test_the_network_alone_chooses_as_the_graph_does():
    graph = synthetic.minatar_q_network(0.0, "float32")
    model = onnx_model.to_unguarded_onnx(graph).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    seen = synthetic.random_observations(graph, 20)
    found = session.run(None, {"observation": seen})[0]
    np.testing.assert_array_equal(found, reference.act(graph, seen))
