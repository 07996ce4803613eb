"""The two dot products every network is made of, given to it from outside.

A network that is asked to compute `x @ w` through a `DotGeneral` does not know whether the product
is float32 or int8: that is the choice of whoever builds it. This module lies below networks and
quantization, which know nothing of each other.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from jax import Array, lax

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


FLOAT32 = DotProducts(dense=lax.dot_general, convolution=merged)
