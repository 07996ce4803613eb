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

FEW = 32
"""Outputs up to which a kernel's gradient is computed as its transpose."""


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def dense(
    lhs: Array,
    rhs: Array,
    dimension_numbers: DimensionNumbers,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """`lax.dot_general`, with a gradient by the kernel that is quick on a CPU.

    That gradient, lhs^T g for lhs [batch, inputs] and g [batch, outputs], walks down the columns of
    lhs. With a few outputs, (g^T lhs)^T walks down those of g instead, a fifth of the time or less.
    Else, where a row of lhs is so many whole cache lines that those of one column fall on the same
    few places of the cache, `PADDING` columns more set them apart: three quarters of the time
    (benchmarks/NOTES.md).
    """
    value = lax.dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)
    if _contracted(lhs, dimension_numbers) == (0, 0) and _few(lhs.shape[1], rhs.shape[1]):
        # AQT asks for g^T lhs, and turns it; XLA would turn the product.
        return lax.optimization_barrier(value)
    return value


def _dense_tangent(
    dimension_numbers: DimensionNumbers,
    precision: Any,
    preferred_element_type: Any,
    primals: tuple[Array, Array],
    tangents: tuple[Array | SymbolicZero, Array | SymbolicZero],
) -> tuple[Array, Array]:
    """d(l r) = dl r + l dr, the second term written so that its transpose is the quick gradient.

    As a rule for tangents and not for gradients, so that forward and second derivatives stay.
    """
    product = functools.partial(
        lax.dot_general, precision=precision, preferred_element_type=preferred_element_type
    )
    (lhs, rhs), (lhs_tangent, rhs_tangent) = primals, tangents
    terms = []
    if not isinstance(lhs_tangent, SymbolicZero):
        terms.append(product(lhs_tangent, rhs, dimension_numbers))
    if not isinstance(rhs_tangent, SymbolicZero):
        terms.append(_by_kernel(product, lhs, rhs_tangent, dimension_numbers))
    value = product(lhs, rhs, dimension_numbers)
    return value, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(value)


dense.defjvp(_dense_tangent, symbolic_zeros=True)


def _by_kernel(
    product: DotGeneral, lhs: Array, change: Array, dimension_numbers: DimensionNumbers
) -> Array:
    """l dr, in the form whose transpose is quick."""
    if _contracted(lhs, dimension_numbers) == (1, 0):
        inputs, outputs = change.shape
        if _few(outputs, inputs):
            # The barrier keeps XLA from turning it back.
            turned = lax.optimization_barrier(change.T)
            return product(lhs, turned, (((1,), (1,)), ((), ())))
        if _rows_collide(lhs, outputs):
            lhs = jnp.pad(lhs, ((0, 0), (0, PADDING)))
            change = jnp.pad(change, ((0, PADDING), (0, 0)))
    return product(lhs, change, dimension_numbers)


def _contracted(lhs: Array, dimension_numbers: DimensionNumbers) -> tuple[int, ...]:
    """The axes of two matrices that are summed over; none on a GPU, which has its own ways."""
    (lhs_axes, rhs_axes), (batched, _) = dimension_numbers
    if lhs.ndim != 2 or batched or jax.default_backend() != "cpu":
        return ()
    return (*lhs_axes, *rhs_axes)


def _few(outputs: int, inputs: int) -> bool:
    """Whether the transpose of the gradient pays; a single output has no columns to walk down."""
    return 1 < outputs <= min(FEW, inputs // 2)


def _rows_collide(lhs: Array, outputs: int) -> bool:
    """Whether longer rows of lhs [batch, inputs] pay.

    What they save grows with batch x inputs, what cutting the result costs with inputs x outputs.
    """
    batch, inputs = lhs.shape
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
    product = dense(
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
