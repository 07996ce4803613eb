"""A graph as C99: a function per operation, and the calls of them in `srl_outputs`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sparse_rl.architecture.operations import Flatten, MaxPool, Relu, Tanh
from sparse_rl.artifact.c_source.arithmetic import chain_layer, float_layer
from sparse_rl.artifact.c_source.constants import array
from sparse_rl.artifact.c_source.dense import choose, exact_in_float
from sparse_rl.artifact.c_source.layer import convolution_function, dense_function
from sparse_rl.artifact.c_source.normalization import layer_norm_function, normalize_function
from sparse_rl.artifact.c_source.pooling import max_pool_function
from sparse_rl.artifact.c_source.target import Target
from sparse_rl.artifact.graph import (
    Convolution,
    Dense,
    Graph,
    LayerNorm,
    Normalize,
    Operation,
    Rescale,
    Residual,
    shape_after,
)
from sparse_rl.artifact.integer_chain import LayerUnits, units
from sparse_rl.artifact.weights import DynamicScale

Shape = tuple[int, ...]
_IN_ORDER = LayerNorm | Normalize | Rescale | Residual
"""Operations that read a flattened image as the graph flattens it, and not plane by plane."""
_LARGE = 4096
"""Weights of a dense layer that pays for making int16 of its inputs."""


@dataclass
class Program:
    """C text in the order in which it is written."""

    stream: str
    """Element type between layers: float, or the target's for an integer chain."""
    target: Target
    units: tuple[LayerUnits, ...] = ()
    """Of an integer chain; otherwise empty."""
    functions: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    buffer_sizes: list[int] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    kernels: list[str] = field(default_factory=list)
    layers: int = 0

    def take(self, size: int) -> int:
        """A buffer of at least `size` elements."""
        if not self.free:
            self.buffer_sizes.append(0)
            self.free.append(len(self.buffer_sizes) - 1)
        slot = self.free.pop()
        self.buffer_sizes[slot] = max(self.buffer_sizes[slot], size)
        return slot


def compile_graph(graph: Graph, target: Target) -> Program:
    """Functions, calls and buffers for a graph.

    Buffer 0 holds the observation, of an integer chain as the first layer's int8 input. The last
    call leaves its buffer as `result`; that of an integer chain writes to `outputs`.
    """
    chain = units(graph) or ()
    program = Program(target.chain if chain else "float", target, chain)
    slot = program.take(int(np.prod(graph.observation.shape)))
    edge = isinstance(graph.operations[0], Normalize | Rescale)
    signed = graph.observation.dtype == "float32" or edge
    # With integers between layers the observation is normalized or rescaled while it is read.
    operations = graph.operations[1:] if chain and edge else graph.operations
    result = _operations(program, operations, slot, graph.observation.shape, not signed)
    if not chain:
        program.calls.append(f"    result = buffer_{result};")
    return program


def _operations(
    program: Program,
    operations: tuple[Operation, ...],
    slot: int,
    shape: Shape,
    nonnegative: bool,
    keep: bool = False,
) -> int:
    """Writes the operations on buffer `slot`; `keep` leaves `slot` as it is."""
    position = 0
    first = slot
    # An image is flattened where it lies: its planes have this shape, and what reads them adapts.
    planes_shape: Shape = shape
    while position < len(operations):
        operation = operations[position]
        after = shape_after(operation, shape)
        following = operations[position + 1] if position + 1 < len(operations) else None
        if isinstance(operation, _IN_ORDER) and planes_shape != shape:
            slot = _reordered(program, slot, planes_shape, keep and slot == first)
            planes_shape = shape
        if isinstance(operation, Dense | Convolution):
            fused = isinstance(following, Relu)
            name = _layer(program, operation, shape, planes_shape, nonnegative, fused)
            if program.units and program.layers == len(program.units):
                program.calls.append(f"    {name}(buffer_{slot}, outputs);")
                return slot
            out = program.take(int(np.prod(after)))
            program.calls.append(f"    {name}(buffer_{slot}, buffer_{out});")
            nonnegative = fused
            position += fused
        elif isinstance(operation, Relu):
            out = slot if not (keep and slot == first) else program.take(int(np.prod(after)))
            program.calls.append(
                f"    for (i = 0; i < {int(np.prod(shape))}; i++)\n"
                f"        buffer_{out}[i] = buffer_{slot}[i] < 0 ? 0 : buffer_{slot}[i];"
            )
            nonnegative = True
        elif isinstance(operation, Tanh):
            out = slot if not (keep and slot == first) else program.take(int(np.prod(after)))
            program.calls.append(
                f"    for (i = 0; i < {int(np.prod(shape))}; i++)\n"
                f"        buffer_{out}[i] = tanhf(buffer_{slot}[i]);"
            )
            nonnegative = False
        elif isinstance(operation, Rescale):
            out = slot if not (keep and slot == first) else program.take(int(np.prod(after)))
            name = f"rescale_{len(program.functions)}"
            program.functions.append(array(name, "float", operation.factors) + "\n")
            program.calls.append(
                f"    for (i = 0; i < {int(np.prod(shape))}; i++)\n"
                f"        buffer_{out}[i] = buffer_{slot}[i] * {name}[i];"
            )
            nonnegative = False
        elif isinstance(operation, LayerNorm | Normalize):
            out = slot if not (keep and slot == first) else program.take(int(np.prod(after)))
            name = f"norm_{len(program.functions)}"
            if isinstance(operation, LayerNorm):
                program.functions.append(layer_norm_function(name, operation, shape))
            else:
                program.functions.append(normalize_function(name, operation))
            program.calls.append(f"    {name}(buffer_{slot}, buffer_{out});")
            nonnegative = False
        elif isinstance(operation, MaxPool):
            out = program.take(int(np.prod(after)))
            name = f"max_pool_{len(program.functions)}"
            program.functions.append(
                max_pool_function(
                    name, program.stream, bool(program.units), operation, shape, after
                )
            )
            program.calls.append(f"    {name}(buffer_{slot}, buffer_{out});")
        elif isinstance(operation, Flatten):
            # Planes stay where they are: the next dense layer's weights are reordered instead.
            # What has no planes lies in its order already.
            planes_shape, shape = planes_shape if len(planes_shape) == 3 else after, after
            position += 1
            continue
        elif isinstance(operation, Residual):
            out = _operations(program, operation.body, slot, shape, nonnegative, keep=True)
            inner = out
            if inner == slot:  # a body that only flattens gives what it is given
                out = program.take(int(np.prod(shape)))
            program.calls.append(
                f"    for (i = 0; i < {int(np.prod(shape))}; i++)\n"
                f"        buffer_{out}[i] = buffer_{inner}[i] + buffer_{slot}[i];"
            )
            nonnegative = False
        else:
            raise TypeError(f"unknown operation {operation!r}")
        if out != slot and not (keep and slot == first):
            program.free.append(slot)
        # ReLU and tanh leave every element where it is.
        if not isinstance(operation, Relu | Tanh):
            planes_shape = after
        slot, shape = out, after
        position += 1
    if planes_shape != shape:
        slot = _reordered(program, slot, planes_shape, keep and slot == first)
    return slot


def _reordered(program: Program, slot: int, planes_shape: Shape, keep: bool) -> int:
    """A buffer with the planes of `slot` as the graph flattens them: (row, column, channel)."""
    height, width, channels = planes_shape
    out = program.take(height * width * channels)
    place = f"(i % {height * width}) * {channels} + i / {height * width}"
    program.calls.append(
        f"    for (i = 0; i < {height * width * channels}; i++)\n"
        f"        buffer_{out}[{place}] = buffer_{slot}[i];"
    )
    if not keep:
        program.free.append(slot)
    return out


def _layer(
    program: Program,
    layer: Dense | Convolution,
    shape: Shape,
    planes_shape: Shape,
    nonnegative: bool,
    relu: bool,
) -> str:
    index = program.layers
    program.layers += 1
    name = f"layer_{index}"
    integer = layer.input_scale is not None
    if program.units:
        text = chain_layer(name, layer, program.units[index], program.stream, relu)
        relu = False
        if program.stream == "float" and isinstance(layer, Dense):
            # Sums of whole numbers are exact in floats, and only large dense ones are faster as
            # integers.
            values = layer.weights.values
            dense = choose(values, False, program.target) == "full"
            integer = (dense and values.size >= _LARGE) or not exact_in_float(values)
    else:
        text = float_layer(name, layer, _largest(layer, shape))
    stream, target = program.stream, program.target
    common = (stream, target, text, integer, nonnegative, relu)
    if isinstance(layer, Dense):
        code, kernel = dense_function(name, layer, planes_shape, *common)
    else:
        code, kernel = convolution_function(name, layer, planes_shape, *common)
    program.functions.append(text.constants + code)
    program.kernels.append(kernel)
    return name


def _largest(layer: Dense | Convolution, shape: Shape) -> str:
    if not isinstance(layer.input_scale, DynamicScale):
        return ""
    return f"largest_magnitude(x, {int(np.prod(shape))})"
