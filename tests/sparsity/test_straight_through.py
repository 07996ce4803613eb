"""The straight-through estimator against Adam written out in NumPy, dense weights behind masks."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.tree_utils as otu
import pytest

from sparse_rl.agents import masked_network
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.distributions import erk, pruned_counts
from sparse_rl.sparsity.method import OwnCounts, Pruned, keeps_dense_weights
from sparse_rl.sparsity.n_m import Groups
from sparse_rl.sparsity.straight_through import (
    NMStraightThrough,
    StraightThrough,
    build,
    build_n_m,
)
from tests.sparsity.groups import by_hand
from tests.sparsity.networks import LEVELS, NETWORKS, kernels, shapes, tree

METHOD = StraightThrough(mask_rules.prune_per_layer, interval=2, end=8)
RATE, DECAY = 0.3, (0.9, 0.999)
ADAM = optax.adam(RATE)


def largest(weights: np.ndarray, dead: int) -> np.ndarray:
    mask = np.ones(weights.size, bool)
    mask[np.argsort(np.abs(weights).ravel(), kind="stable")[:dead]] = False
    return mask.reshape(weights.shape)


class Adam:
    """Kingma and Ba 2015, algorithm 1, in double precision."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights.astype(np.float64)
        self.first = np.zeros_like(self.weights)
        self.second = np.zeros_like(self.weights)
        self.steps = 0

    def step(self, gradient: np.ndarray) -> None:
        self.steps += 1
        self.first = DECAY[0] * self.first + (1 - DECAY[0]) * gradient
        self.second = DECAY[1] * self.second + (1 - DECAY[1]) * gradient.astype(np.float64) ** 2
        first = self.first / (1 - DECAY[0] ** self.steps)
        second = self.second / (1 - DECAY[1] ** self.steps)
        self.weights -= RATE * first / (np.sqrt(second) + 1e-8)


def begun(network: str, dead: np.ndarray, method: StraightThrough = METHOD) -> MaskedNetwork:
    state = masked_network.init(tree(network, 0), ADAM).with_dense()
    return state.with_masks(method.init(state.params, jnp.asarray(dead), jax.random.key(0)))


@jax.jit
def updated(state: MaskedNetwork, gradients: Any, dead: jax.Array, clock: jax.Array) -> Any:
    """As the training program has it: a step, then masks where they are due."""
    state = state.step(ADAM, gradients)
    pruned = Pruned(state.masks, state.weights, None, dead, jax.random.key(0))
    return jax.lax.cond(
        METHOD.is_due(clock),
        lambda: state.with_masks(METHOD.update(pruned, clock)),
        lambda: state,
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("network", NETWORKS)
def test_dense_weights_learn_and_the_largest_of_them_act(network: str, level: float) -> None:
    dead = pruned_counts(shapes(network), level, erk)
    state = begun(network, dead)
    by_hand = [Adam(kernel) for kernel in kernels(tree(network, 0), network)]
    masks = [largest(a.weights, d) for a, d in zip(by_hand, dead, strict=True)]
    came_back = 0
    for clock in range(1, 11):
        gradients = tree(network, 10 + clock)
        state = updated(state, gradients, jnp.asarray(dead), jnp.int32(clock))
        for adam, gradient in zip(by_hand, kernels(gradients, network), strict=True):
            adam.step(gradient)  # also where dead: the mask counts as the identity
        if clock in (2, 4, 6, 8):
            new = [largest(a.weights, d) for a, d in zip(by_hand, dead, strict=True)]
            came_back += sum(int((a & ~b).sum()) for a, b in zip(new, masks, strict=True))
            masks = new
        for i, name in enumerate(tree(network, 0)):
            found = np.asarray(state.masks[name]["kernel"])
            np.testing.assert_array_equal(found, masks[i], f"{name} {clock}")
            assert (~found).sum() == dead[i]
            params = np.asarray(state.params[name]["kernel"])
            assert (params[~found] == 0).all()  # dead is exactly zero
            dense = np.asarray(state.dense[name]["kernel"])
            np.testing.assert_array_equal(params[found], dense[found])
            np.testing.assert_allclose(dense, by_hand[i].weights, rtol=1e-4, atol=1e-4)
            moment = np.asarray(otu.tree_get(state.optimizer, "mu")[name]["kernel"])
            np.testing.assert_allclose(moment, by_hand[i].first, rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(state.params[name]["bias"], state.dense[name]["bias"])
    assert (came_back > 0) == (level > 0)


def test_without_dense_weights_nothing_is_kept_behind() -> None:
    state = masked_network.init(tree("mlp", 0), ADAM)
    assert state.dense == () and state.weights is state.params
    behind = state.with_dense()
    assert behind.weights is behind.dense


def test_when_masks_are_chosen() -> None:
    config = from_mapping(
        {
            "training": {"steps": 800, "learning_starts": 80, "train_frequency": 4},
            "sparsity": {"methods": ["ste"], "interval": 8, "ste": {"updates": 3, "stop": 0.5}},
        }
    )
    method = build(config.sparsity.options_of("ste"), config)
    assert (method.begin, method.end, method.interval) == (0, 400, 12)
    assert keeps_dense_weights(method)
    due = [t for t in range(0, 800, 4) if bool(method.is_due(jnp.int32(t)))]
    assert due == [*range(0, 400, 12), 400]


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (4, 4), (1, 8)])
@pytest.mark.parametrize("network", NETWORKS)
def test_of_every_group_of_dense_weights_the_largest_act(network: str, n: int, m: int) -> None:
    method = NMStraightThrough(Groups(m), interval=2, end=8)
    dead = jnp.asarray(method.pruned_counts(shapes(network), 1 - n / m))
    state = begun(network, dead, method)
    for seed in range(3):  # other dense weights: what was dead may come back
        dense = tree(network, seed)
        pruned = Pruned(state.masks, dense, None, dead, jax.random.key(0))
        masks = method.update(pruned, jnp.int32(2 * seed))
        if seed == 0:
            jax.tree.map(np.testing.assert_array_equal, masks, state.masks)
        everywhere = [np.ones(shape, bool) for shape in shapes(network)]
        for found, kernel, alive in zip(
            kernels(masks, network), kernels(dense, network), everywhere, strict=True
        ):
            np.testing.assert_array_equal(found, by_hand(np.abs(kernel), alive, n, m))
        counts = [int((~mask).sum()) for mask in kernels(masks, network)]
        assert counts == dead.tolist()


def test_groups_are_chosen_when_the_others_are_and_refuse_other_levels() -> None:
    def config(levels: list[float]) -> Config:
        own = {"updates": 3, "stop": 0.5, "m": 8}
        sparsity = {"methods": ["n_m_ste"], "levels": levels, "interval": 8, "n_m_ste": own}
        training = {"steps": 800, "learning_starts": 80, "train_frequency": 4}
        return from_mapping({"training": training, "sparsity": sparsity})

    chosen = config([0, 0.875])
    method = build_n_m(chosen.sparsity.options_of("n_m_ste"), chosen)
    assert method == NMStraightThrough(Groups(8), 12, 400)
    assert keeps_dense_weights(method) and isinstance(method, OwnCounts)
    with pytest.raises(ValueError, match=r"found 0, 0.9 with the method n_m_ste; allowed: mult"):
        config([0, 0.9])
