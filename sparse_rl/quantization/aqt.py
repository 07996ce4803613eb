"""int8 dot products for quantization-aware training, by AQT; the only file that imports it.

A tensor x is quantized symmetrically, with a scale s shared by a group of its elements:

    s = max|x| * (1 / 127)        q = round(clip(x * (1 / s), -127, 127))        Q(x) = s q

in float32, rounding half to even, the same in every compilation, so that an exported policy is the
one that was trained. The largest element of a group is represented exactly, zero stays zero, and a
group of zeros has max|x| taken as 1. The groups:

- weights of a dense layer: one scale per tensor;
- weights of a convolution: one scale per output channel;
- activations ("int8" only): one scale per observation, found anew for each ("dynamic"), so that
  training on batches and acting on one observation agree.

The product is y = Q(x) Q(w), computed as s_x s_w (q_x q_w). The integers are held in float32, which
is exact while the sum of |q_x q_w| stays below 2^24 (always, up to 1040 inputs), and many times
faster than an int8 product on a CPU. The backward pass takes rounding as the identity
(straight-through; Bengio et al. 2013, arXiv 1308.3432) and is float32, or of the training's
precision:

    dL/dx = dL/dy Q(w)^T          dL/dw = Q(x)^T dL/dy          (weights only: Q(x) = x)
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from aqt.jax.v2 import aqt_dot_general, aqt_quantizer, calibration
from jax import Array
from jaxtyping import Float, Int8

from sparse_rl.dot_products import (
    FLOAT32,
    DimensionNumbers,
    DotGeneral,
    DotProducts,
    of_precision,
    with_precision,
)
from sparse_rl.quantization.powers_of_two import integer

Layer = Literal["dense", "convolution"]

BITS = 8
LARGEST = 127
_RECIPROCAL = np.float32(1.0 / LARGEST)


@functools.cache
def dot_products(quantization: str, precision: str = "float32") -> DotProducts:
    """The dot products of a variant, by its arithmetic and the precision of float32's factors.

    float32; int8w: int8 weights; int8: int8 weights and activations; integer: the same with scales
    that are fixed powers of two (`powers_of_two`). The same ones for the same name, so that
    programs which are made of them are equal.

    Raises:
        ValueError: for any other name.
    """
    if quantization == "float32":
        return of_precision(precision)
    if quantization == "int8w":
        return DotProducts(
            _straight_through("dense", None, precision),
            _straight_through("convolution", None, precision),
        )
    if quantization == "int8":
        return DotProducts(
            _straight_through("dense", (1,), precision),
            _straight_through("convolution", (1, 2, 3), precision),
        )
    if quantization == "integer":
        return integer(precision)
    raise ValueError(
        f"quantization: found {quantization!r}, allowed are float32, int8w, int8, integer"
    )


def quantize_weights(
    kernel: Float[Array, "*inputs outputs"], layer: Layer
) -> tuple[Int8[Array, "*inputs outputs"], Float[Array, "..."]]:
    """The int8 values and the scale that a forward pass makes of a kernel.

    The scale is a number for a dense layer and [outputs] for a convolution; values * scale is what
    the network was trained with.
    """
    matrix = jnp.asarray(kernel).reshape(-1, kernel.shape[-1])
    values, scale = _quantize(matrix, layer)
    return values.reshape(kernel.shape), scale.reshape(-1) if layer == "convolution" else scale[
        0, 0
    ]


@jax.jit(static_argnames="layer")
def _quantize(matrix: Array, layer: Layer) -> tuple[Array, Array]:
    quantizer = _quantizer(_WEIGHT_AXES[layer])
    quantizer.init_calibration()
    tensor, _ = quantizer.quant(matrix, calibration_axes=None)
    return tensor.qvalue.astype(jnp.int8), tensor.scale[0]


class _AbsoluteMaximum(calibration.AbsMaxCalibration):
    """s = max|x| * (1 / 127).

    AQT divides, and a compiler may or may not turn the division by a constant into a product; so
    the same weights would have two scales, one unit in the last place apart.
    """

    def get_scale_and_bias_and_sparsity(
        self, x: Array, shared_axes: Any, numerics_: Any, context: Any = None
    ) -> tuple[list[Array], list[Array], None]:
        largest = jnp.max(jnp.abs(x), axis=tuple(shared_axes), keepdims=True)
        return [jnp.where(largest == 0, 1, largest) * _RECIPROCAL], [], None


_WEIGHT_AXES: dict[str, Sequence[int]] = {"dense": (0, 1), "convolution": (0,)}


def _quantizer(axes: Sequence[int]) -> aqt_quantizer.Quantizer:
    """A quantizer with one scale for all elements along `axes`, to integers held in float32."""
    quantizer = aqt_quantizer.quantizer_make(
        BITS, preserve_max_val=True, initialize_calibration=False
    )
    quantizer.numerics = dataclasses.replace(quantizer.numerics, dtype=None)
    quantizer.calibration = _AbsoluteMaximum
    quantizer.calib_shared_axes = axes
    return quantizer


def _straight_through(
    layer: Layer, activation_axes: Sequence[int] | None, precision: str
) -> DotGeneral:
    config = aqt_dot_general.dot_general_make(
        lhs_bits=BITS if activation_axes else None, rhs_bits=BITS, bwd_bits=None
    )
    config.fwd.dg_accumulator_dtype = None
    config.fwd.dg_quantizer.rhs = _quantizer(_WEIGHT_AXES[layer])
    for product in (config.fwd, config.dlhs, config.drhs):
        # AQT would ask for the device's default precision.
        product.dot_general = with_precision(getattr(FLOAT32, layer), precision)
    if activation_axes:
        config.fwd.dg_quantizer.lhs = _quantizer(activation_axes)

    def dot_general(
        lhs: Array,
        rhs: Array,
        dimension_numbers: DimensionNumbers,
        precision: Any = None,
        preferred_element_type: Any = None,
    ) -> Array:
        return config(
            jnp.asarray(lhs), jnp.asarray(rhs), dimension_numbers, precision, preferred_element_type
        )

    return dot_general
