"""What each node of an ONNX policy does to the tensor that runs through it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import Relu
from sparse_rl.importers.numpy_arrays import float32_of
from sparse_rl.importers.onnx.chain import (
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
from sparse_rl.importers.onnx.images import Attributes, transposed, window


class Unread(NamedTuple):
    """A tensor that is not read, which matters only where the action depends on it.

    Attributes:
        why: the line that says which node is not read.
        total_of: the tensor whose logarithm of summed exponentials it is, if it is that.
    """

    why: str
    total_of: Chain | None = None


Value = Chain | NDArray | Unread
_FLOATS = (1, 11)  # TensorProto.FLOAT, DOUBLE
_CASTS = {1: np.float32, 11: np.float64, 7: np.int64}


def applied(kind: str, inputs: list[Value | None], attributes: Attributes, spend: Spend) -> Value:
    """The output of a node of this kind. ValueError, without the node's name, if it is not read."""
    first, *others = inputs or [None]
    if (
        isinstance(first, Chain)
        and (unread := _in_spite_of(kind, first, others, attributes)) is not None
    ):
        return unread
    if any(isinstance(value, Chain) and value.ordinal for value in inputs):
        raise ValueError("an operator after a softmax; allowed: ArgMax")
    if kind in ("Add", "Sub", "Mul", "Div", "Max", "Min"):
        return _elementwise(kind, inputs, spend)
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
        return window(kind, first, constants, attributes, spend)
    if kind in ("Flatten", "Reshape"):
        return _flat(kind, first, constants, attributes, spend)
    if kind == "Transpose":
        return transposed(first, attributes, spend)
    if kind in ("Squeeze", "Unsqueeze"):
        return _batch(kind, first, constants, attributes)
    raise ValueError("an operator that is not read")


def reads_in_spite_of(kind: str, inputs: list[Value | None], attributes: Attributes) -> bool:
    """Whether a node is read although one of its inputs is not."""
    first, *others = inputs or [None]
    return isinstance(first, Chain) and _in_spite_of(kind, first, others, attributes) is not None


def _in_spite_of(
    kind: str, chain: Chain, others: list[Value | None], attributes: Attributes
) -> Value | None:
    """What comes of nodes in which PyTorch's distributions end, for the largest or mean action.

    A mean is expanded to the shape of the deviation, which is its own; logits are normalized by the
    logarithm of their summed exponentials, and exponentiated, which leaves the largest the largest.
    """
    (other,) = others if len(others) == 1 else (None,)
    if kind == "Expand" and isinstance(other, Unread):
        return replace(chain, expanded=True)
    axes = attributes.get("axes", [attributes.get("axis", -1)])
    if isinstance(other, np.ndarray):
        axes = other.ravel().tolist()
    vectors = chain.batched and len(chain.shape) == 1 and axes in ([-1], [1])
    plain = vectors and not chain.tanh and not chain.is_bounded
    if kind == "ReduceLogSumExp" and plain:
        return Unread("the logarithm of summed exponentials is not read", chain)
    if kind == "Sub" and isinstance(other, Unread) and other.total_of is chain:
        return replace(chain, ordinal=True)
    if kind in ("Softmax", "LogSoftmax") and plain and not others:
        return replace(chain, ordinal=True)
    return None


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
    if kind == "Max":
        return clip(chain, constant, np.inf)
    if kind == "Min":
        return clip(chain, -np.inf, constant)
    if other.dtype.kind in "biu":  # both sides have one type: 200 + 100 is 44 in bytes, 3 / 2 is 1
        raise ValueError(f"arithmetic in {other.dtype}; allowed: in floats, behind a cast")
    if kind == "Add":
        return affine(chain, 1.0, constant)
    if kind == "Sub":
        return affine(chain, -1.0, constant) if swapped else affine(chain, 1.0, -constant)
    if kind == "Mul":
        return affine(chain, constant, 0.0)
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
    if kind == "Identity":
        return value
    if kind == "Cast" and attributes.get("to") in _CASTS:
        return value.astype(_CASTS[attributes["to"]])
    if kind == "Transpose":
        axes = attributes.get("perm", list(range(value.ndim))[::-1])
        return value.transpose(axes)
    if kind == "Reshape" and others:
        shape = [] if others[0] is None else [int(size) for size in others[0].ravel()[:8]]
        return value.reshape(shape)
    raise ValueError("an operator that is not read, of constants")


def _constant(value: Value) -> NDArray:
    if not isinstance(value, np.ndarray):
        raise ValueError("an input that depends on the observation; allowed: a constant")
    return value
