"""int8 with fixed scales that are powers of two: the arithmetic of the variants named `integer`.

A layer y = x W + b remembers the largest |input| it has met, m, one number for the layer or one for
each of its inputs. With s(m) the smallest power of two for which 127 s >= m,

    q = round(clip(x / s(m), -127, 127))        R = s(m) W            (row i times the scale of i)
    w = round(R / u),  u = s(max|R|)            c = round(b / u)
    y = u (q w + c)

rounding half to even. All of q, w and c are integers and u is a power of two, so in float32 every
step is exact while |q w + c| stays below 2^24 (always, up to 520 inputs): no order of summation,
no fused multiplication and no compiler changes a bit, and the same numbers come out of int8
products summed in int32 with a shift between layers. What is trained is what is delivered.

The backward pass takes rounding as the identity and clipping as what it is (Bengio et al. 2013,
arXiv 1308.3432). Powers of two cost at most one of eight bits (Jain et al. 2019, arXiv 1903.08066,
section 3.1, who learn them; here they follow the largest input, as in Jacob et al. 2018, arXiv
1712.05877, section 3.1). AQT has no rule for biases and no scales that persist, so it has no part
in this one.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from sparse_rl.dot_products import DotGeneral, DotProducts, FixedScales, of_precision

LARGEST = 127
DECAY = 0.9999
"""Of the largest input, at each step of all environments: half is forgotten after 7,000 steps."""
LEAST_EXPONENT = -126
LARGEST_BIAS = 1 << 23
"""Of c: 520 inputs, 520 * 127^2, and the largest bias are below 2^24 together."""


def scale_of(largest: Float[Array, "..."]) -> Float[Array, "..."]:
    """The smallest power of two s with 127 s >= largest, not below 2^-126; that of 1 for 0."""
    mantissa, exponent = jnp.frexp(jnp.where(largest == 0, 1.0, largest))
    # 127 = 0.9921875 * 2^7, and a mantissa lies in [0.5, 1).
    exponent = exponent - jnp.where(mantissa <= LARGEST / 128, 7, 6)
    # A smaller one is no normal number, and processors may take it for 0: inputs are divided by it.
    return jnp.ldexp(jnp.float32(1), jnp.maximum(exponent, LEAST_EXPONENT))


def largest_so_far(
    before: Float[Array, "*inputs"], inputs: Float[Array, "batch *shape"]
) -> Float[Array, "*inputs"]:
    """max(0.9999 before, max|inputs|), over the batch and all axes that `before` has not."""
    axes = tuple(range(inputs.ndim - before.ndim))
    return jnp.maximum(DECAY * before, jnp.abs(inputs).max(axis=axes))


def affine(
    product: DotGeneral,
    inputs: Float[Array, "batch *positions inputs"],
    kernel: Float[Array, "inputs outputs"],
    bias: Float[Array, " outputs"],
    largest: Float[Array, "*inputs"],
) -> Float[Array, "batch *positions outputs"]:
    """u (q w + c) as above; before anything was met, `largest` is that of the inputs themselves."""
    axes = tuple(range(inputs.ndim - largest.ndim))
    here = lax.stop_gradient(jnp.abs(inputs).max(axis=axes))
    scale = scale_of(lax.stop_gradient(jnp.where(largest.max() > 0, largest, here)))
    rows = kernel * (scale[:, None] if scale.ndim else scale)
    unit = scale_of(lax.stop_gradient(jnp.abs(rows).max()))
    q = _rounded(jnp.clip(inputs / scale, -LARGEST, LARGEST))
    w = _rounded(rows / unit)
    c = _rounded(jnp.clip(bias / unit, -LARGEST_BIAS, LARGEST_BIAS))
    axis = inputs.ndim - 1
    return (product(q, w, (((axis,), (0,)), ((), ()))) + c) * unit


@jax.custom_jvp
def _rounded(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The nearest integer; the identity to gradients."""
    return jnp.round(x)


_rounded.defjvp(lambda primals, tangents: (_rounded(*primals), tangents[0]))


@functools.cache
def integer(precision: str) -> DotProducts:
    """This arithmetic; `precision` is that of its gradients, integers are exact in each."""
    return of_precision(precision)._replace(fixed=FixedScales(affine, largest_so_far))
