"""One layer's arrays as bytes of a packed file, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import Convolution, Dense, LayerNorm, Normalize, Rescale
from sparse_rl.artifact.packed import index_code
from sparse_rl.artifact.packed.blocks import Reader, block, varint
from sparse_rl.artifact.packed.description_reading import LayerSlot, PairSlot, RescaleSlot, Slot
from sparse_rl.artifact.weights import DynamicScale, InputScale, StaticScale, Weights, exponent_of

_ALL_WEIGHTS = 255


def write(step: Dense | Convolution | LayerNorm | Normalize | Rescale) -> bytes:
    """The arrays of an operation that has any."""
    if isinstance(step, Rescale):
        return step.exponents.tobytes()
    if isinstance(step, LayerNorm):
        return _pair(step.scale, step.bias)
    if isinstance(step, Normalize):
        return _pair(step.mean, step.variance)
    return _layer(step)


def read(reader: Reader, slot: Slot) -> tuple[Any, ...]:
    """What `write` wrote, by its slot in the description; ValueError where it is damaged."""
    if isinstance(slot, PairSlot):
        return _read_floats(reader, slot.shape), _read_floats(reader, slot.shape)
    if isinstance(slot, RescaleSlot):
        return (np.frombuffer(reader.take(slot.shape[0]), np.int8),)
    return _read_layer(reader, slot)


def _pair(first: NDArray[np.float32], second: NDArray[np.float32]) -> bytes:
    return b"".join(block(array.astype("<f4").tobytes()) for array in (first, second))


def _read_floats(reader: Reader, shape: tuple[int, ...]) -> NDArray[np.float32]:
    size = 4 * int(np.prod(shape))
    values = np.frombuffer(reader.block(size), "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("a number is not finite")
    return values.reshape(shape)


def _layer(layer: Dense | Convolution) -> bytes:
    values = layer.weights.values
    flat = values.ravel()
    positions = np.flatnonzero(flat)
    parameter, code = index_code.encode(positions)
    if len(code) + len(positions) * values.itemsize >= values.nbytes:
        parameter, code, positions = _ALL_WEIGHTS, b"", np.arange(flat.size)
    little = values.dtype.newbyteorder("<")
    parts = [
        varint(len(positions)),
        bytes([parameter]),
        code,
        block(flat[positions].astype(little).tobytes()),
    ]
    unit = unit_of(layer)
    if unit is not None:
        return b"".join([*parts, _shifts(layer, unit)])
    if layer.weights.scale is not None:
        parts.append(layer.weights.scale.astype("<f4").tobytes())
    if isinstance(layer.input_scale, StaticScale):
        parts.append(np.array(layer.input_scale.scale, "<f4").tobytes())
    elif isinstance(layer.input_scale, DynamicScale) and layer.input_scale.floor:
        parts.append(np.array(layer.input_scale.floor, "<f4").tobytes())
    parts.append(block(layer.bias.astype("<f4").tobytes()))
    return b"".join(parts)


def _shifts(layer: Dense | Convolution, unit: float) -> bytes:
    """Exponents of the input's scale and of the unit, a byte each, and biases in whole units."""
    assert isinstance(layer.input_scale, StaticScale)
    exponents = [exponent_of(layer.input_scale.scale), exponent_of(unit)]
    return np.array(exponents, np.int8).tobytes() + whole_biases(layer.bias, unit)


def whole_biases(bias: NDArray[np.float32], unit: float) -> bytes:
    """Biases in units, as numbers of variable length; small ones of either sign are short."""
    counts = np.rint(bias.astype(np.float64) / unit).astype(np.int64)
    unsigned = np.where(counts < 0, -2 * counts - 1, 2 * counts)
    return b"".join(map(varint, unsigned.tolist()))


def _read_shifts(
    reader: Reader, outputs: int
) -> tuple[NDArray[np.float32], StaticScale, NDArray[np.float32]]:
    if outputs > len(reader.data) - reader.position:
        raise ValueError("it ends early")
    scale, unit = (2.0 ** int(e) for e in np.frombuffer(reader.take(2), np.int8))
    unsigned = np.array([reader.varint() for _ in range(outputs)], np.int64)
    biases = np.where(unsigned % 2, -(unsigned + 1) // 2, unsigned // 2)
    with np.errstate(over="ignore", under="ignore"):
        weights = np.array([unit / scale]).astype(np.float32)
        whole = (biases * unit).astype(np.float32)
    if not (np.isfinite(weights).all() and weights.all() and np.isfinite(whole).all()):
        raise ValueError("a weight scale is not positive, or a bias not finite")
    return weights, StaticScale(scale), whole


def _read_layer(reader: Reader, slot: LayerSlot) -> tuple[Weights, InputScale, NDArray[np.float32]]:
    dtype = np.dtype(np.int8) if slot.integer else np.dtype("<f4")
    values = _read_values(reader, slot.shape, dtype)
    if slot.input == "shift":
        per_tensor, fixed, whole = _read_shifts(reader, slot.shape[-1])
        return Weights(values, per_tensor), fixed, whole
    scale = reader.floats(slot.shape[-1] if slot.per_channel else 1) if slot.integer else None
    if scale is not None and (scale <= 0).any():
        raise ValueError("a weight scale is not positive")
    input_scale = _read_input(reader, slot.input)
    bias = np.frombuffer(reader.block(4 * slot.shape[-1]), "<f4").astype(np.float32)
    if not np.isfinite(bias).all():
        raise ValueError("a bias is not finite")
    return Weights(values, scale), input_scale, bias


def _read_values(reader: Reader, shape: tuple[int, ...], dtype: np.dtype) -> NDArray:
    size = int(np.prod(shape))
    count, parameter = reader.varint(), reader.take(1)[0]
    if count > size or (parameter == _ALL_WEIGHTS and count != size):
        raise ValueError(f"{count} weights in a layer of {size}")
    values = np.zeros(size, dtype.newbyteorder("="))
    if parameter == _ALL_WEIGHTS:
        positions: Any = slice(None)
    else:
        if parameter > index_code.LARGEST_PARAMETER:
            raise ValueError(f"Rice parameter {parameter}")
        positions, used = index_code.decode(reader.data[reader.position :], count, parameter, size)
        reader.take(used)
    stored = np.frombuffer(reader.block(count * dtype.itemsize), dtype)
    # Only what is stored is looked at: zeros of a layer that is large on paper cost no memory.
    if not np.isfinite(stored).all():
        raise ValueError("a weight is not finite")
    values[positions] = stored
    return values.reshape(shape)


def _read_input(reader: Reader, kind: str) -> InputScale:
    if kind == "float":
        return None
    if kind == "static":
        return StaticScale(float(reader.floats(1)[0]))
    return DynamicScale(float(reader.floats(1)[0]) if kind == "floor" else 0.0)
