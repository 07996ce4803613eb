"""Adam as PyTorch writes it down, and means over a batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.tree_utils as otu
import pytest

from sparse_rl.agents import masked_network
from sparse_rl.agents.updates import adam, standardized, weighted_mean

SHAPES = {"hidden_0": (7, 16), "hidden_1": (16, 16), "head": (16, 3)}

Tree = dict[str, dict[str, Any]]


def random_tree(rng: np.random.Generator, scale: float = 1.0) -> Tree:
    return {
        name: {
            "kernel": jnp.asarray(rng.normal(0, scale, shape).astype(np.float32)),
            "bias": jnp.asarray(rng.normal(0, scale, shape[-1:]).astype(np.float32)),
        }
        for name, shape in SHAPES.items()
    }


class TorchAdam:
    """torch.optim.Adam(lr, eps=eps, weight_decay=decay), line by line, in float64.

    Before the step the gradients are clipped as by torch.nn.utils.clip_grad_norm_.
    """

    def __init__(self, lr: float, eps: float, decay: float, clip: float | None) -> None:
        self.lr, self.eps, self.decay, self.clip = lr, eps, decay, clip
        self.t = 0
        self.m: list[Any] = []
        self.v: list[Any] = []

    def step(self, params: list[np.ndarray], gradients: list[np.ndarray]) -> list[np.ndarray]:
        self.t += 1
        if not self.m:
            self.m = [np.zeros_like(p) for p in params]
            self.v = [np.zeros_like(p) for p in params]
        if self.clip is not None:
            norm = np.sqrt(sum((g**2).sum() for g in gradients))
            gradients = [g * min(1.0, self.clip / (norm + 1e-6)) for g in gradients]
        result = []
        for i, (p, g) in enumerate(zip(params, gradients, strict=True)):
            g = g + self.decay * p
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g * g
            denominator = np.sqrt(self.v[i]) / np.sqrt(1 - 0.999**self.t) + self.eps
            result.append(p - self.lr / (1 - 0.9**self.t) * self.m[i] / denominator)
        return result


def leaves(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize(
    ("lr", "eps", "decay", "clip"),
    [
        (3e-4, 1e-8, 1e-4, None),  # SAC of the paper
        (1e-4, 1e-8, 0.0, 10.0),  # DQN with the plain network
        (1e-4, 3.125e-4, 1e-5, 10.0),  # DQN with the residual one
        (1e-2, 1e-3, 1e-1, 1.0),  # all parts large enough to be seen
    ],
)
def test_adam_is_pytorchs(lr: float, eps: float, decay: float, clip: float | None) -> None:
    rng = np.random.default_rng(0)
    params = random_tree(rng)
    optimizer, torch = adam(lr, eps, decay, clip), TorchAdam(lr, eps, decay, clip)
    network = masked_network.init(params, optimizer)
    step = jax.jit(lambda network, gradients: network.step(optimizer, gradients))
    expected = leaves(params)
    for i in range(50):
        # Small and large gradients: with and without clipping, near and far from epsilon.
        gradients = random_tree(rng, 10.0 ** (i % 5 - 3))
        network, expected = step(network, gradients), torch.step(expected, leaves(gradients))
    for found, want, start in zip(leaves(network.params), expected, leaves(params), strict=True):
        moved = np.abs(want - start).max()
        assert moved > 5 * lr
        np.testing.assert_allclose(found, want, atol=1e-3 * moved)
    for name, want in (("mu", torch.m), ("nu", torch.v)):
        for found, moment in zip(leaves(otu.tree_get(network.optimizer, name)), want, strict=True):
            np.testing.assert_allclose(found, moment, rtol=1e-3, atol=1e-5 * np.abs(moment).max())


def test_weight_decay_is_in_the_gradient_and_not_beside_it() -> None:
    """Without any gradient L2 through Adam moves every weight by the learning rate."""
    params = {"hidden_0": {"kernel": jnp.array([[5.0, -0.5]])}}
    optimizer = adam(0.01, 1e-8, 0.1)
    network = masked_network.init(params, optimizer).step(
        optimizer, jax.tree.map(jnp.zeros_like, params)
    )
    np.testing.assert_allclose(network.params["hidden_0"]["kernel"], [[4.99, -0.49]], rtol=1e-6)


def test_standardized_is_that_of_a_sample_and_leaves_a_single_value() -> None:
    found = standardized(jnp.array([1.0, 2.0, 4.0, 100.0]), jnp.array([1.0, 1.0, 1.0, 0.0]))
    sample = np.array([1.0, 2.0, 4.0])
    wanted = (sample - sample.mean()) / sample.std(ddof=1)
    np.testing.assert_allclose(found[:3], wanted, rtol=1e-6)
    single = standardized(jnp.array([3.7, 8.0]), jnp.array([1.0, 0.0]))
    assert single[0] == jnp.float32(3.7)  # else a batch of one step would teach nothing


def test_weighted_mean() -> None:
    values = jnp.array([1.0, 2.0, 4.0, 100.0])
    assert weighted_mean(values, jnp.array([1.0, 1.0, 1.0, 0.0])) == pytest.approx(7 / 3)
    assert weighted_mean(values, jnp.zeros(4)) == 0.0
