"""Products of dense layers against `lax.dot_general`, derivatives and all."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

from sparse_rl.dot_products import PADDING, dense

FORWARD = (((1,), (0,)), ((), ()))

# batch, inputs, outputs
TURNED = [(32, 64, 8), (16, 36, 16), (16, 128, 3)]
LENGTHENED = [(64, 64, 48), (128, 256, 128)]
# A row that ends within a cache line, a short one, a single output, a small batch.
AS_THEY_ARE = [(64, 72, 48), (32, 32, 24), (32, 64, 1), (8, 64, 40)]
SHAPES = TURNED + LENGTHENED + AS_THEY_ARE


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


@pytest.mark.parametrize("shape", [TURNED[0], LENGTHENED[0], AS_THEY_ARE[0]])
def test_each_member_of_a_population_has_its_own_gradient(shape) -> None:
    lhs, rhs = factors(shape, 3)
    gradient = jax.grad(loss, argnums=(1, 2))
    together = jax.vmap(lambda x, w: gradient(dense, x, w))(lhs, rhs)
    apart = [gradient(lax.dot_general, x, w) for x, w in zip(lhs, rhs, strict=True)]
    close(together, jax.tree.map(lambda *leaves: jnp.stack(leaves), *apart))


@pytest.mark.parametrize("shape", [TURNED[0], LENGTHENED[0], AS_THEY_ARE[0]])
def test_forward_mode_and_second_derivatives(shape) -> None:
    # TRPO multiplies by a Fisher matrix, which takes both.
    lhs, rhs = factors(shape)
    found, expected = (
        jax.jvp(jax.grad(lambda w, product=product: loss(product, lhs, w)), (rhs,), (jnp.sin(rhs),))
        for product in (dense, lax.dot_general)
    )
    close(found, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_gradient_is_turned_or_its_rows_lengthened_where_that_is_quicker(shape) -> None:
    lhs, rhs = factors(shape)
    _, inputs, outputs = shape
    program = jax.make_jaxpr(jax.grad(loss, argnums=2), static_argnums=0)(dense, lhs, rhs)
    gradient = [e for e in program.eqns if e.primitive.name == "dot_general"][-1]
    found = gradient.outvars[0].aval.shape
    turned = "optimization_barrier" in {e.primitive.name for e in program.eqns}
    assert (turned, max(found)) == (
        shape in TURNED,
        inputs + PADDING if shape in LENGTHENED else max(inputs, outputs),
    )


def test_a_gpu_has_the_plain_product(monkeypatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for shape in SHAPES:
        programs = [
            jax.make_jaxpr(jax.grad(loss, argnums=2), static_argnums=0)(product, *factors(shape))
            for product in (dense, lax.dot_general)
        ]
        written = [
            [(e.primitive.name, e.outvars[0].aval.shape) for e in program.eqns]
            for program in programs
        ]
        assert written[0] == written[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_product_that_int8_asks_for(shape) -> None:
    lhs, _ = factors(shape)
    outputs = jnp.cos(jnp.arange(shape[0] * shape[2], dtype=jnp.float32)).reshape(-1, shape[2])
    over_batch = (((0,), (0,)), ((), ()))
    np.testing.assert_array_equal(
        dense(outputs, lhs, over_batch), lax.dot_general(outputs, lhs, over_batch)
    )
    program = jax.make_jaxpr(lambda g, x: dense(g, x, over_batch))(outputs, lhs)
    assert ("optimization_barrier" in str(program)) == (shape in TURNED)


def test_what_is_not_asked_for_is_not_computed() -> None:
    lhs, rhs = factors(LENGTHENED[0])

    def products(argument: int) -> int:
        text = str(jax.make_jaxpr(jax.grad(loss, argument), static_argnums=0)(dense, lhs, rhs))
        return text.count("dot_general")

    # One forward and one backward: a first layer has no gradient by its inputs.
    assert products(1) == products(2) == 2
