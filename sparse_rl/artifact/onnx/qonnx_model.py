"""The graph as a QONNX model, which tools for FPGAs read (FINN, hls4ml).

QONNX (Pappalardo et al. 2022, arXiv 2206.07527) is ONNX with one operator more,

    Quant(x, scale, zero, bits) = scale (round_half_even(clip(x / scale + zero)) - zero)

here with zero = 0 and eight signed bits without -128, which is how a layer's inputs and weights are
rounded. Pruned weights are zeros of the initializers. With fixed scales that are powers of two all
products and sums are exact, so the outputs are those of the graph to the bit; scales of int8 that
are found anew for each observation cannot be said in QONNX.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from sparse_rl import atomic_file
from sparse_rl.artifact.card import Card
from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import Convolution, Graph, Layer, layers
from sparse_rl.artifact.onnx.model import add_action, add_operations, metadata, with_nodes
from sparse_rl.artifact.onnx.nodes import OnnxNodes
from sparse_rl.artifact.packed import Provenance
from sparse_rl.artifact.weights import DynamicScale, StaticScale

DOMAIN, VERSION = "qonnx.custom_op.general", 1
_BITS = 8


def refusal(graph: Graph) -> str | None:
    """Why a graph cannot be said in QONNX, or None."""
    every = list(layers(graph.operations))
    if any(isinstance(layer.input_scale, DynamicScale) for layer in every):
        return "QONNX has no scales that are found for each observation, as int8 has: use integer"
    if any(layer.weights.scale is None for layer in every):
        return "QONNX is for weights of whole numbers: use integer, or onnx"
    return None


def to_qonnx(
    graph: Graph, about: Provenance | None = None, card: Card | None = None
) -> onnx.ModelProto:
    """The model; raises ValueError where `refusal` says why."""
    if problem := refusal(graph):
        raise ValueError(problem)
    nodes = _QuantNodes()
    name, shape = add_operations(nodes, graph)
    output = add_action(nodes, graph, name, shape)
    model = with_nodes(nodes, graph, output, helper.make_opsetid(DOMAIN, VERSION))
    helper.set_model_props(model, metadata(about, card))
    return model


class _QuantNodes(OnnxNodes):
    """Layers whose inputs, weights and biases go through Quant."""

    def layer(self, layer: Layer, name: str, shape: tuple[int, ...]) -> str:
        values, scale = layer.weights.dequantized(), layer.weights.scale
        assert scale is not None
        if isinstance(layer.input_scale, StaticScale):
            name = self.quant(name, np.float32(layer.input_scale.scale), _BITS)
        bias = layer.bias
        if isinstance(layer, Convolution):
            values = np.ascontiguousarray(values.transpose(3, 2, 0, 1))
            scale, bias = scale[:, None, None, None], bias[:, None, None]
        weights = self.quant(self.constant(values), scale, _BITS)
        offset = self.constant(bias)
        if (unit := unit_of(layer)) is not None:
            steps = int(np.abs(np.rint(bias / unit)).max(initial=0))
            offset = self.quant(offset, np.float32(unit), max(2, steps.bit_length() + 1))
        return self.node("Add", [self.product(layer, name, weights, None, shape), offset])

    def quant(self, name: str, scale: NDArray | np.floating, bits: int) -> str:
        return self.node(
            "Quant",
            [
                name,
                self.constant(scale),
                self.constant(np.float32(0)),
                self.constant(np.float32(bits)),
            ],
            domain=DOMAIN,
            signed=1,
            narrow=1,
            rounding_mode="ROUND",
        )


def save(
    path: Path, graph: Graph, about: Provenance | None = None, card: Card | None = None
) -> int:
    """Write the model, whole or not at all; returns its size in bytes."""
    data: bytes = to_qonnx(graph, about, card).SerializeToString()
    atomic_file.write_bytes(path, data)
    return len(data)


def act(model: onnx.ModelProto, observations: NDArray) -> NDArray:
    """Actions [batch, ...] by ONNX's reference evaluator, with Quant as the paper defines it."""
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    class Quant(OpRun):  # type: ignore[misc]
        op_domain = DOMAIN

        def _run(  # type: ignore[no-untyped-def]
            self, x, scale, zero, bits, signed=1, narrow=0, rounding_mode="ROUND"
        ):
            assert signed and narrow and rounding_mode == "ROUND" and not zero
            most = np.float32(2.0 ** (int(bits) - 1) - 1)
            return ((np.rint(np.clip(x / scale, -most, most)) * scale).astype(np.float32),)

    evaluator = ReferenceEvaluator(model, new_ops=[Quant])
    (found,) = evaluator.run(None, {"observation": observations})
    return np.asarray(found)
