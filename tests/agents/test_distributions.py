"""Distributions over actions against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from sparse_rl.agents.distributions import Categorical, DiagonalGaussian


def test_a_diagonal_gaussian() -> None:
    random = np.random.default_rng(0)
    mean, action = random.normal(size=(2, 5, 3))
    log_std = np.array([-1.0, 0.0, 0.7])
    found = DiagonalGaussian(jnp.asarray(mean), jnp.asarray(log_std))
    each = stats.norm(mean, np.exp(log_std))
    np.testing.assert_allclose(
        found.log_prob(jnp.asarray(action)), each.logpdf(action).sum(axis=1), rtol=1e-5
    )
    np.testing.assert_allclose(found.entropy(), each.entropy().sum(axis=1), rtol=1e-5)
    wide = DiagonalGaussian(jnp.tile(mean[:1], (40_000, 1)), jnp.asarray(log_std))
    drawn = np.asarray(wide.sample(jax.random.key(1)))
    # Standard errors: std / 200 of a mean, std / 280 of a deviation; five of them.
    assert (np.abs(drawn.mean(axis=0) - mean[0]) < np.exp(log_std) / 40).all()
    assert (np.abs(drawn.std(axis=0) / np.exp(log_std) - 1) < 0.02).all()


def test_a_categorical() -> None:
    logits = np.random.default_rng(1).normal(size=(4, 3)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = Categorical(jnp.asarray(logits))
    action = np.array([0, 2, 1, 1])
    np.testing.assert_allclose(
        found.log_prob(jnp.asarray(action)), np.log(p[np.arange(4), action]), rtol=1e-5
    )
    np.testing.assert_allclose(found.entropy(), stats.entropy(p, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found.mode(), logits.argmax(axis=1))
    drawn = Categorical(jnp.tile(jnp.asarray(logits[:1]), (40_000, 1))).sample(jax.random.key(2))
    shares = np.bincount(np.asarray(drawn), minlength=3) / 40_000
    np.testing.assert_allclose(shares, p[0], atol=0.0125)


def test_divergences() -> None:
    """Of categoricals by scipy, of Gaussians as the mean of log p - log q over 200,000 draws."""
    random = np.random.default_rng(2)
    logits = random.normal(size=(2, 5, 3))
    p, q = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    found = Categorical(jnp.asarray(logits[0])).divergence(Categorical(jnp.asarray(logits[1])))
    np.testing.assert_allclose(found, stats.entropy(p, q, axis=1), rtol=1e-5)
    mean, log_std = random.normal(size=(2, 1, 3)), random.normal(size=(2, 3)) / 3
    one, other = (
        DiagonalGaussian(jnp.asarray(m), jnp.asarray(s)) for m, s in zip(mean, log_std, strict=True)
    )
    drawn = random.normal(mean[0], np.exp(log_std[0]), (200_000, 3))
    ratio = np.asarray(one.log_prob(jnp.asarray(drawn)) - other.log_prob(jnp.asarray(drawn)))
    error = 5 * ratio.std() / np.sqrt(ratio.size)
    np.testing.assert_allclose(one.divergence(other), ratio.mean(), atol=error)
    np.testing.assert_array_equal(one.divergence(one), 0)
