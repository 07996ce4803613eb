"""The nodes of an ONNX policy that are for images: convolutions, pools, and the order of axes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import MaxPool, Padding
from sparse_rl.architecture.shapes import padding_before_and_after
from sparse_rl.artifact.graph import Convolution
from sparse_rl.artifact.weights import Weights
from sparse_rl.importers.numpy_arrays import float32_of
from sparse_rl.importers.onnx.chain import Chain, Spend, appended, settled

Attributes = dict[str, Any]
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = (2, 0, 1), (1, 2, 0)


def window(
    kind: str, chain: Chain, constants: list[NDArray | None], attributes: Attributes, spend: Spend
) -> Chain:
    """A convolution or a max pool. Raises ValueError where it is not one of ours."""
    chain = settled(chain, spend)
    if chain.layout != "NCHW" or not chain.batched:
        raise ValueError(f"after the shape {chain.source_shape}; allowed: a batch of images")
    kernel = constants[0] if kind == "Conv" and constants else None
    if kind == "Conv" and (kernel is None or kernel.ndim != 4):
        raise ValueError("a kernel that is no constant of two spatial axes")
    size = _pair(attributes.get("kernel_shape", [1] if kernel is None else kernel.shape[2:]))
    strides = _pair(attributes.get("strides", [1, 1]))
    if any(step != 1 for step in attributes.get("dilations", [])):
        raise ValueError("dilations other than 1")
    if attributes.get("group", 1) != 1 or attributes.get("ceil_mode", 0) != 0:
        raise ValueError("groups, or ceil_mode")
    padding = _padding(attributes, chain.shape, size, strides)
    if kernel is None:
        return appended(chain, MaxPool(size, strides, padding))
    if size != kernel.shape[2:]:
        raise ValueError(f"a kernel_shape {size} for a kernel {kernel.shape}")
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


def transposed(chain: Chain, attributes: Attributes, spend: Spend) -> Chain:
    """An image whose channels go to the front or back. Raises ValueError for other axes."""
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


def _pair(sizes: Any) -> tuple[int, int]:
    if len(sizes) != 2 or not all(1 <= int(size) < 1 << 16 for size in sizes):
        raise ValueError(f"sizes {list(sizes)[:8]}; allowed: two positive ones")
    return int(sizes[0]), int(sizes[1])
