"""How an ONNX policy ends: in the bounds of its actions, in the largest value, or in neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax, Clip, Observation, Output, Squash
from sparse_rl.artifact.graph import Dense, Graph
from sparse_rl.importers.imported import OutputError
from sparse_rl.importers.onnx.chain import Chain, Spend, number, settled, without_bounds
from sparse_rl.importers.onnx.nodes import Value
from sparse_rl.importers.torch_layers import clipped_to, squashed_to


def finished(
    chain: Chain, seen: Observation, found: Output | None, output: Output | None, spend: Spend
) -> Graph:
    """The graph with its output: of the model where it has one, else the caller's."""
    steps = settled(_unbounded(chain), spend)
    *start, last = steps.operations or (None,)
    if not isinstance(last, Dense):
        raise ValueError("the model does not end with a dense layer")
    if steps.flattened is not None:
        raise ValueError("the model ends with a flattened image")
    if found is None and chain.tanh:
        low, high = (np.broadcast_to(v, len(last.bias)) for v in _range_of_tanh(chain))
        found = squashed_to(last, low.tolist(), high.tolist(), "the model's output")
        if isinstance(output, Squash) and np.all(low == -1) and np.all(high == 1):
            found = None  # exporters leave the rescaling to the caller
    elif found is None and chain.is_bounded:
        low, high = (np.broadcast_to(v, len(last.bias)) for v in (chain.low, chain.high))
        last, found = clipped_to(last, low.tolist(), high.tolist(), "the model's output")
    if chain.ordinal and found is None and not isinstance(output, ArgMax):
        raise OutputError("the model ends with a softmax: output is needed, ArgMax()", ArgMax)
    if found is None:
        last, found = _with_output(last, output)
    elif output is not None and output != found:
        raise OutputError(f"output: found {output}; the model has {found}")
    return Graph(replace(seen, divisor=steps.divisor), (*start, last), found)


def largest(
    kind: str, found: Output | None, inputs: list[Value | None], attributes: dict[str, Any]
) -> Output:
    """ArgMax over actions, and the casts behind it."""
    chain = observed(inputs)
    if found is not None:
        if kind not in ("Cast", "Identity", "Squeeze", "Reshape"):
            raise ValueError("an operator after ArgMax")
        return found
    axis = attributes.get("axis", 0)
    if axis not in (-1, int(chain.batched)) or attributes.get("select_last_index", 0) != 0:
        raise ValueError(f"the axis {axis}; allowed: that of the actions")
    if chain.tanh or chain.is_bounded:
        raise ValueError("of bounded values; allowed: of a layer's outputs")
    return ArgMax()


def observed(inputs: list[Value | None]) -> Chain:
    """The first input, which depends on the observation; raises ValueError where it does not."""
    if not inputs or not isinstance(inputs[0], Chain):
        raise ValueError("does not depend on the observation")
    return inputs[0]


def _unbounded(chain: Chain) -> Chain:
    """What the last layer gives, without the function of the output."""
    if chain.tanh:
        chain = replace(chain, tanh=False, scale=number(1.0), shift=number(0.0))
    return without_bounds(chain)


def _range_of_tanh(chain: Chain) -> tuple[NDArray, NDArray]:
    if np.any(chain.scale <= 0):
        raise ValueError("a tanh times a factor that is not positive")
    return number(chain.shift - chain.scale), number(chain.shift + chain.scale)


def _with_output(last: Dense, output: Output | None) -> tuple[Dense, Output]:
    match output:
        case ArgMax():
            return last, output
        case Squash(low, high):
            return last, squashed_to(last, low, high)
        case Clip(low, high):
            return clipped_to(last, low, high)
    raise OutputError(
        "the model ends with means or values: output is needed, "
        "Squash(low, high), Clip(low, high) or ArgMax()",
        Squash,
        Clip,
        ArgMax,
    )
