"""What each node of an ONNX policy does to the tensor that runs through it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import MaxPool, Padding, Relu
from sparse_rl.architecture.shapes import padding_before_and_after
from sparse_rl.artifact.graph import Convolution
from sparse_rl.artifact.weights import Weights
from sparse_rl.importers.numpy_arrays import float32_of
from sparse_rl.importers.onnx_chain import (
    Chain,
    Spend,
    affine,
    appended,
    clip,
    dense,
    flat,
    residual,
    settled,
)

Value = Chain | NDArray
Attributes = dict[str, Any]
_FLOATS = (1, 11)  # TensorProto.FLOAT, DOUBLE
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = (2, 0, 1), (1, 2, 0)


def applied(kind: str, inputs: list[Value | None], attributes: Attributes, spend: Spend) -> Value:
    """The output of a node of this kind. ValueError, without the node's name, if it is not read."""
    if kind in ("Add", "Sub", "Mul", "Div", "Max", "Min"):
        return _elementwise(kind, inputs, spend)
    first, *others = inputs
    constants = [None if value is None else _constant(value) for value in others]
    if isinstance(first, np.ndarray):
        return _of_constant(kind, first, constants, attributes, spend)
    if not isinstance(first, Chain):
        raise ValueError("an input is missing")
    if kind == "Identity":
        return first
    if kind == "Cast":
        if attributes.get("to") not in _FLOATS:
            raise ValueError(f"a cast to type {attributes.get('to')}; allowed: float")
        return first
    if kind == "Relu":
        return appended(settled(first, spend), Relu())
    if kind == "Tanh":
        return replace(settled(first, spend), tanh=True)
    if kind == "Clip":
        return _clip(first, constants, attributes)
    if kind in ("Gemm", "MatMul"):
        return _product(kind, first, constants, attributes, spend)
    if kind in ("Conv", "MaxPool"):
        return _window(kind, first, constants, attributes, spend)
    if kind in ("Flatten", "Reshape"):
        return _flat(kind, first, constants, attributes, spend)
    if kind == "Transpose":
        return _transposed(first, attributes, spend)
    if kind in ("Squeeze", "Unsqueeze"):
        return _batch(kind, first, constants, attributes)
    raise ValueError("an operator that is not read")


def _elementwise(kind: str, inputs: list[Value | None], spend: Spend) -> Value:
    if len(inputs) != 2:
        raise ValueError(f"{len(inputs)} inputs; allowed: two")
    first, second = inputs
    if isinstance(first, Chain) and isinstance(second, Chain):
        if kind != "Add":
            raise ValueError("two tensors that depend on the observation")
        return residual(first, second, spend)
    chain, other = (first, second) if isinstance(first, Chain) else (second, first)
    if not isinstance(chain, Chain) or not isinstance(other, np.ndarray):
        raise ValueError("no tensor that depends on the observation")
    constant, swapped = chain.constant(other), chain is not first
    if not np.isfinite(constant).all():
        raise ValueError("a constant that is not finite")
    if kind == "Add":
        return affine(chain, 1.0, constant)
    if kind == "Sub":
        return affine(chain, -1.0, constant) if swapped else affine(chain, 1.0, -constant)
    if kind == "Mul":
        return affine(chain, constant, 0.0)
    if kind == "Max":
        return clip(chain, constant, np.inf)
    if kind == "Min":
        return clip(chain, -np.inf, constant)
    if swapped or not constant.all():
        raise ValueError("a division by zero, or by what depends on the observation")
    return affine(chain, 1 / constant, 0.0)


def _clip(chain: Chain, constants: list[NDArray | None], attributes: Attributes) -> Chain:
    low, high = (*constants, None, None)[:2]
    bounds = []
    for name, given, default in (("min", low, -np.inf), ("max", high, np.inf)):
        value = attributes.get(name, default) if given is None else given
        bounds.append(chain.constant(np.asarray(value)))
    if np.isnan(bounds[0]).any() or np.isnan(bounds[1]).any():
        raise ValueError("a bound that is no number")
    return clip(chain, *bounds)


def _product(
    kind: str, chain: Chain, constants: list[NDArray | None], attributes: Attributes, spend: Spend
) -> Chain:
    kernel = constants[0] if constants else None
    if kernel is None or kernel.ndim != 2:
        raise ValueError("weights that are no constant matrix")
    if kind == "Gemm":
        if (attributes.get("alpha", 1.0), attributes.get("beta", 1.0)) != (1.0, 1.0):
            raise ValueError("alpha or beta other than 1")
        if attributes.get("transA", 0) != 0:
            raise ValueError("transA other than 0")
        if attributes.get("transB", 0) == 1:
            kernel = kernel.T
    bias = np.zeros(kernel.shape[1], np.float32)
    if len(constants) > 1 and constants[1] is not None:
        given = constants[1]
        if given.size not in (1, len(bias)):
            raise ValueError(f"a bias of shape {given.shape} for a kernel {kernel.shape}")
        bias = bias + float32_of(given, "a bias").ravel()
    return dense(chain, float32_of(kernel, "a kernel"), bias, spend)


def _window(
    kind: str, chain: Chain, constants: list[NDArray | None], attributes: Attributes, spend: Spend
) -> Chain:
    """A convolution or a max pool."""
    chain = settled(chain, spend)
    if chain.layout != "NCHW" or not chain.batched:
        raise ValueError(f"after the shape {chain.source_shape}; allowed: a batch of images")
    kernel = constants[0] if kind == "Conv" and constants else None
    if kind == "Conv" and (kernel is None or kernel.ndim != 4):
        raise ValueError("a kernel that is no constant of two spatial axes")
    window = _pair(attributes.get("kernel_shape", [1] if kernel is None else kernel.shape[2:]))
    strides = _pair(attributes.get("strides", [1, 1]))
    if any(size != 1 for size in attributes.get("dilations", [])):
        raise ValueError("dilations other than 1")
    if attributes.get("group", 1) != 1 or attributes.get("ceil_mode", 0) != 0:
        raise ValueError("groups, or ceil_mode")
    padding = _padding(attributes, chain.shape, window, strides)
    if kernel is None:
        return appended(chain, MaxPool(window, strides, padding))
    if window != kernel.shape[2:]:
        raise ValueError(f"a kernel_shape {window} for a kernel {kernel.shape}")
    spend(kernel.size)
    bias = np.zeros(kernel.shape[0], np.float32)
    if len(constants) > 1 and constants[1] is not None:
        bias = float32_of(constants[1], "a bias")
    values = np.ascontiguousarray(float32_of(kernel, "a kernel").transpose(2, 3, 1, 0))
    return appended(chain, Convolution(Weights(values), bias, strides, padding))


def _padding(
    attributes: Attributes,
    shape: tuple[int, ...],
    window: tuple[int, int],
    strides: tuple[int, int],
) -> Padding:
    automatic = attributes.get("auto_pad", b"NOTSET")
    if automatic in (b"VALID", b"SAME_UPPER"):
        return "VALID" if automatic == b"VALID" else "SAME"
    pads = list(attributes.get("pads", [0, 0, 0, 0]))
    if automatic == b"NOTSET" and not any(pads):
        return "VALID"
    same = [
        padding_before_and_after(shape[axis], window[axis], strides[axis], "SAME")
        for axis in (0, 1)
    ]
    if automatic != b"NOTSET" or pads != [same[0][0], same[1][0], same[0][1], same[1][1]]:
        raise ValueError(f"pads {pads[:4]}; allowed: none, or as many as keep the size")
    return "SAME"


def _flat(
    kind: str, chain: Chain, constants: list[NDArray | None], attributes: Attributes, spend: Spend
) -> Chain:
    count = int(np.prod(chain.shape))
    if kind == "Flatten":
        if attributes.get("axis", 1) != 1 or not chain.batched:
            raise ValueError("an axis other than 1")
        return flat(chain, spend)
    target = constants[0] if constants else None
    sizes = [] if target is None else [int(size) for size in target.ravel()[:8]]
    if not chain.batched and sizes == [1, count]:
        return replace(flat(chain, spend), batched=True)
    if chain.batched and len(sizes) == 1 + len(chain.shape):
        kept = [*chain.source_shape]
        if sizes[0] in (-1, 0, 1) and (sizes[1:] == kept or (sizes[0] != -1 and kept == [count])):
            return chain
    if chain.batched and sizes in ([-1, count], [0, count], [1, count], [0, -1], [1, -1]):
        return flat(chain, spend)
    raise ValueError(f"a reshape to {sizes}; allowed: to one axis per observation")


def _transposed(chain: Chain, attributes: Attributes, spend: Spend) -> Chain:
    axes = list(attributes.get("perm", []))
    if chain.batched and axes[:1] == [0]:
        axes = [axis - 1 for axis in axes[1:]]
    elif chain.batched:
        raise ValueError(f"the axes {axes[:8]}; allowed: the batch first")
    if len(axes) == 3 and len(chain.shape) == 3:
        chain = settled(chain, spend)
        if tuple(axes) == _TO_CHANNELS_FIRST and chain.layout == "plain":
            return replace(chain, layout="NCHW")
        if tuple(axes) == _TO_CHANNELS_LAST and chain.layout == "NCHW":
            return replace(chain, layout="plain")
    if axes == list(range(len(chain.shape))):
        return chain
    raise ValueError(f"the axes {axes[:8]}; allowed: channels to the front of an image, or back")


def _batch(
    kind: str, chain: Chain, constants: list[NDArray | None], attributes: Attributes
) -> Chain:
    """A batch axis that comes or goes."""
    given = constants[0] if constants else None
    axes = list(attributes.get("axes", [])) if given is None else given.ravel().tolist()
    if axes != [0] or chain.batched != (kind == "Squeeze"):
        raise ValueError(f"axes {axes[:8]}; allowed: the batch axis, 0")
    return replace(chain, batched=kind == "Unsqueeze")


def _of_constant(
    kind: str,
    value: NDArray,
    others: list[NDArray | None],
    attributes: Attributes,
    spend: Spend,
) -> NDArray:
    spend(value.size)
    if kind == "Identity" or (kind == "Cast" and attributes.get("to") in (*_FLOATS, 7)):
        return value
    if kind == "Transpose":
        axes = attributes.get("perm", list(range(value.ndim))[::-1])
        return value.transpose(axes)
    if kind in ("Reshape", "Squeeze", "Unsqueeze") and kind == "Reshape" and others:
        shape = [] if others[0] is None else [int(size) for size in others[0].ravel()[:8]]
        return value.reshape(shape)
    raise ValueError("an operator that is not read, of constants")


def _constant(value: Value) -> NDArray:
    if not isinstance(value, np.ndarray):
        raise ValueError("an input that depends on the observation; allowed: a constant")
    return value


def _pair(sizes: Any) -> tuple[int, int]:
    if len(sizes) != 2 or not all(1 <= int(size) < 1 << 16 for size in sizes):
        raise ValueError(f"sizes {list(sizes)[:8]}; allowed: two positive ones")
    return int(sizes[0]), int(sizes[1])
