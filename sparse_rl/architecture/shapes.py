"""Shapes of one observation on its way through operations, and the arithmetic of windows."""

from __future__ import annotations

import math

from sparse_rl.architecture.operations import (
    Block,
    Convolution,
    Dense,
    Flatten,
    MaxPool,
    Operation,
    Padding,
    Residual,
)

Shape = tuple[int, ...]


def shape_after(operation: Operation, shape: Shape) -> Shape:
    """Shape of one observation after `operation`; raises ValueError where it does not fit."""
    match operation:
        case Dense():
            if len(shape) != 1:
                raise ValueError(f"dense {operation.name} after shape {shape}: expected one axis")
            return (operation.features,)
        case Convolution():
            if len(shape) != 3:
                raise ValueError(f"convolution {operation.name} after shape {shape}")
            return (*_windows(shape, operation), operation.features)
        case MaxPool():
            if len(shape) != 3:
                raise ValueError(f"max pool after shape {shape}")
            return (*_windows(shape, operation), shape[2])
        case Flatten():
            return (math.prod(shape),)
        case Block(_, body):
            return shape_after_all(body, shape)
        case Residual(_, body):
            inner = shape_after_all(body, shape)
            if inner != shape:
                raise ValueError(f"residual body turns shape {shape} into {inner}")
            return shape
    return shape


def shape_after_all(operations: tuple[Operation, ...], shape: Shape) -> Shape:
    """Shape of one observation after several operations."""
    for operation in operations:
        shape = shape_after(operation, shape)
    return shape


def window_count(size: int, window: int, stride: int, padding: Padding) -> int:
    """Positions along one axis: floor((size - window) / stride) + 1; SAME: ceil(size / stride)."""
    count = -(-size // stride) if padding == "SAME" else (size - window) // stride + 1
    if count < 1:
        raise ValueError(f"a window of {window} does not fit into {size}")
    return count


def padding_before_and_after(
    size: int, window: int, stride: int, padding: Padding
) -> tuple[int, int]:
    """Padding along one axis; SAME puts the odd element after, as XLA and TensorFlow do."""
    if padding == "VALID":
        return (0, 0)
    total = max(0, (window_count(size, window, stride, padding) - 1) * stride + window - size)
    return (total // 2, total - total // 2)


def _windows(shape: Shape, operation: Convolution | MaxPool) -> tuple[int, int]:
    rows, columns = (
        window_count(
            shape[axis], operation.window[axis], operation.strides[axis], operation.padding
        )
        for axis in (0, 1)
    )
    return rows, columns
