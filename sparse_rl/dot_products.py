"""The two dot products every network is made of, given to it from outside.

A network that is asked to compute `x @ w` through a `DotGeneral` does not know whether the product
is float32 or int8, nor with what precision its factors are read: that is the choice of whoever
builds it. This module lies below networks and quantization, which know nothing of each other.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

DimensionNumbers = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]


class DotGeneral(Protocol):
    """A function with the signature of `jax.lax.dot_general`."""

    def __call__(
        self,
        lhs: Array,
        rhs: Array,
        dimension_numbers: DimensionNumbers,
        precision: Any = None,
        preferred_element_type: Any = None,
    ) -> Array: ...


class Affine(Protocol):
    """x W + b, where `largest` is the largest |x| that the layer has met."""

    def __call__(
        self, product: DotGeneral, inputs: Array, kernel: Array, bias: Array, largest: Array
    ) -> Array: ...


class FixedScales(NamedTuple):
    """Arithmetic with scales that follow the largest inputs that layers have met so far.

    `affine` computes a layer; `largest(before, inputs)` is what it remembers after these inputs.
    """

    affine: Affine
    largest: Callable[[Array, Array], Array]


class DotProducts(NamedTuple):
    """How a network multiplies: one product for dense layers and one for convolutions.

    `dense` is called with lhs [batch, inputs] and rhs [inputs, outputs]; `convolution` with
    lhs [batch, height, width, patch] and rhs [patch, channels]. Both contract the last axis of lhs
    with the first of rhs, so axis 0 of lhs is always the observation and the last axis of rhs the
    output channel. With `fixed`, layers remember their largest inputs, in the collection "ranges",
    and leave both product and bias to it.
    """

    dense: DotGeneral
    convolution: DotGeneral
    fixed: FixedScales | None = None


PADDING = 4
"""Columns that rows are lengthened by where their gradient's product would else be slow."""


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def dense(
    lhs: Array,
    rhs: Array,
    dimension_numbers: DimensionNumbers,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """`lax.dot_general`, with a gradient by a kernel [inputs, outputs] that is quick on a CPU.

    That gradient, lhs^T g, walks down the columns of lhs [batch, inputs]. Where a row is so many
    whole cache lines that those of one column fall on the same few places of the cache, `PADDING`
    columns more set them apart: a third less time for the same sums (benchmarks/NOTES.md).
    """
    return lax.dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)


def _dense_tangent(
    dimension_numbers: DimensionNumbers,
    precision: Any,
    preferred_element_type: Any,
    primals: tuple[Array, Array],
    tangents: tuple[Array | SymbolicZero, Array | SymbolicZero],
) -> tuple[Array, Array]:
    """d(l r) = dl r + l dr; the transpose of the second term is the gradient by a kernel.

    As a rule for tangents and not for gradients, so that forward and second derivatives stay.
    """

    def product(lhs: Array, rhs: Array) -> Array:
        return lax.dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)

    (lhs, rhs), (lhs_tangent, rhs_tangent) = primals, tangents
    terms = []
    if not isinstance(lhs_tangent, SymbolicZero):
        terms.append(product(lhs_tangent, rhs))
    if not isinstance(rhs_tangent, SymbolicZero):
        if _collides(lhs, rhs, dimension_numbers):
            lhs_longer = jnp.pad(lhs, ((0, 0), (0, PADDING)))
            terms.append(product(lhs_longer, jnp.pad(rhs_tangent, ((0, PADDING), (0, 0)))))
        else:
            terms.append(product(lhs, rhs_tangent))
    value = product(lhs, rhs)
    return value, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(value)


dense.defjvp(_dense_tangent, symbolic_zeros=True)


def _collides(lhs: Array, rhs: Array, dimension_numbers: DimensionNumbers) -> bool:
    """Whether longer rows of lhs [batch, inputs] pay: never on a GPU, nor for one output.

    What they save grows with batch x inputs, what cutting the result costs with inputs x outputs.
    """
    (contracted, _), (batched, _) = dimension_numbers
    if lhs.ndim != 2 or tuple(contracted) != (1,) or batched or jax.default_backend() != "cpu":
        return False
    (batch, inputs), outputs = lhs.shape, rhs.shape[1]
    return inputs >= 64 and inputs % 16 == 0 and 1 < outputs <= batch


def merged(
    lhs: Array,
    rhs: Array,
    dimension_numbers: DimensionNumbers,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """`lax.dot_general` with batch, height and width as one axis; for a convolution's products.

    A convolution [b, h, w, k] x [k, c] and both of its gradients contract either all three axes or
    none of them, so they are products of matrices; saying so makes training on a CPU a tenth
    faster.
    """
    (lhs_contracted, rhs_contracted), _ = dimension_numbers
    product = lax.dot_general(
        _as_matrix(lhs),
        _as_matrix(rhs),
        (
            ((_axis_of_matrix(lhs, lhs_contracted),), (_axis_of_matrix(rhs, rhs_contracted),)),
            ((), ()),
        ),
        precision,
        preferred_element_type,
    )
    return product.reshape(
        [size for axis, size in enumerate(lhs.shape) if axis not in lhs_contracted]
        + [size for axis, size in enumerate(rhs.shape) if axis not in rhs_contracted]
    )


def _as_matrix(operand: Array) -> Array:
    return operand.reshape(-1, operand.shape[-1])


def _axis_of_matrix(operand: Array, contracted: Sequence[int]) -> int:
    return 1 if operand.ndim - 1 in contracted else 0


FLOAT32 = DotProducts(dense=dense, convolution=merged)

ALGORITHMS: Mapping[str, lax.DotAlgorithmPreset | None] = {
    "float32": None,
    "tf32": lax.DotAlgorithmPreset.TF32_TF32_F32,
    "bfloat16": lax.DotAlgorithmPreset.BF16_BF16_F32,
}
"""By the precision to which factors are rounded: 24, 11 or 8 bits. Sums are float32 in all of them.

None leaves it to JAX's default, which `runtime.devices.exact_products` makes float32.
"""


def with_precision(product: DotGeneral, precision: str) -> DotGeneral:
    """`product` with factors of `precision`, whatever its callers ask for; so do its gradients."""
    algorithm = ALGORITHMS[precision]

    def dot_general(
        lhs: Array,
        rhs: Array,
        dimension_numbers: DimensionNumbers,
        precision: Any = None,
        preferred_element_type: Any = None,
    ) -> Array:
        del precision
        return product(lhs, rhs, dimension_numbers, algorithm, preferred_element_type)

    return dot_general


@functools.cache
def of_precision(precision: str) -> DotProducts:
    """The products of float32 numbers whose factors are rounded to `precision`.

    The same ones for the same name, so that programs which are made of them are equal. Integers up
    to 127, as quantization makes them, lose nothing in any of them.
    """
    if precision == "float32":
        return FLOAT32
    return DotProducts(
        with_precision(FLOAT32.dense, precision), with_precision(FLOAT32.convolution, precision)
    )
