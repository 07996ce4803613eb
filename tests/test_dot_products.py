"""Products of dense layers against `lax.dot_general`, derivatives and all."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

from sparse_rl.dot_products import PADDING, dense

FORWARD = (((1,), (0,)), ((), ()))

# batch, inputs, outputs: rows that are lengthened, wide and narrow ones; and four that are not:
# a row that ends within a cache line, a short one, a single output, a small batch.
LENGTHENED = [(32, 64, 8), (128, 256, 128), (16, 128, 3)]
AS_THEY_ARE = [(32, 72, 8), (32, 32, 8), (32, 64, 1), (8, 64, 16)]
SHAPES = LENGTHENED + AS_THEY_ARE


def factors(shape: tuple[int, int, int], *leading: int) -> tuple[Array, Array]:
    batch, inputs, outputs = shape
    lhs_key, rhs_key = jax.random.split(jax.random.key(0))
    lhs = jax.random.normal(lhs_key, (*leading, batch, inputs))
    return lhs, jax.random.normal(rhs_key, (*leading, inputs, outputs))


def loss(product: Any, lhs: Array, rhs: Array) -> Array:
    """Not linear in either factor, so that second derivatives are not zero."""
    return jnp.sum(jnp.tanh(product(lhs, rhs, FORWARD) / 8))


def close(found: Any, expected: Any) -> None:
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, expected
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_both_gradients_are_those_of_the_plain_product(shape) -> None:
    lhs, rhs = factors(shape)
    np.testing.assert_array_equal(dense(lhs, rhs, FORWARD), lax.dot_general(lhs, rhs, FORWARD))
    gradients = [
        jax.grad(loss, argnums=(1, 2))(product, lhs, rhs) for product in (dense, lax.dot_general)
    ]
    close(*gradients)


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_each_member_of_a_population_has_its_own_gradient(shape) -> None:
    lhs, rhs = factors(shape, 3)
    gradient = jax.grad(loss, argnums=(1, 2))
    together = jax.vmap(lambda x, w: gradient(dense, x, w))(lhs, rhs)
    apart = [gradient(lax.dot_general, x, w) for x, w in zip(lhs, rhs, strict=True)]
    close(together, jax.tree.map(lambda *leaves: jnp.stack(leaves), *apart))


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_forward_mode_and_second_derivatives(shape) -> None:
    # TRPO multiplies by a Fisher matrix, which takes both.
    lhs, rhs = factors(shape)
    found, expected = (
        jax.jvp(jax.grad(lambda w, product=product: loss(product, lhs, w)), (rhs,), (jnp.sin(rhs),))
        for product in (dense, lax.dot_general)
    )
    close(found, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_only_rows_whose_cache_lines_collide_are_lengthened(shape) -> None:
    lhs, rhs = factors(shape)
    gradient = jax.make_jaxpr(jax.grad(loss, argnums=2), static_argnums=0)(dense, lhs, rhs)
    columns = {
        equation.invars[side].aval.shape[1]
        for equation in gradient.eqns
        if equation.primitive.name == "dot_general"
        for side in (0, 1)
        if equation.invars[side].aval.shape[0] == shape[0]
    }
    assert (shape[1] + PADDING in columns) == (shape in LENGTHENED)


def test_what_is_not_asked_for_is_not_computed() -> None:
    lhs, rhs = factors(LENGTHENED[0])

    def products(argument: int) -> int:
        text = str(jax.make_jaxpr(jax.grad(loss, argument), static_argnums=0)(dense, lhs, rhs))
        return text.count("dot_general")

    # One forward and one backward: a first layer has no gradient by its inputs.
    assert products(1) == products(2) == 2
