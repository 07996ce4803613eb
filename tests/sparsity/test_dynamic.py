"""SET and RigL against plain NumPy, for dense layers and convolutions; static masks stay."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.reading import from_mapping
from sparse_rl.registry import METHODS
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.distributions import erk, pruned_counts
from sparse_rl.sparsity.dynamic import (
    DynamicSparseTraining,
    Growth,
    Static,
    at_random,
    by_gradient,
)
from sparse_rl.sparsity.method import Pruned

SHAPES = {"convolution_0": (3, 3, 4, 8), "hidden_0": (32, 16), "head": (16, 3)}
ORDER = sorted(SHAPES)  # as JAX flattens dictionaries
DROP, END = 0.4, 1_000
RIGL = DynamicSparseTraining(by_gradient, True, DROP, 100, END)
SET = DynamicSparseTraining(at_random, False, DROP, 100, END)


def tree(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        name: {
            "kernel": jnp.asarray(rng.normal(size=shape).astype(np.float32)),
            "bias": jnp.zeros(shape[-1]),
        }
        for name, shape in SHAPES.items()
    }


def counts(sparsity: float) -> np.ndarray:
    return pruned_counts([SHAPES[name] for name in ORDER], sparsity, erk)


def network(sparsity: float, seed: int = 0) -> Pruned:
    """Sparse from the start; dead weights are zero, gradients are dense."""
    dead = jnp.asarray(counts(sparsity))
    masks = RIGL.init(tree(seed), dead, jax.random.key(seed))
    params = mask_rules.apply(masks, tree(seed))
    return Pruned(masks, params, tree(seed + 50), dead, jax.random.key(seed + 1))


def by_hand(before: Pruned, growth: dict[str, np.ndarray], clock: int) -> dict[str, np.ndarray]:
    """Drop the smallest of the live weights, then grow as many by the highest growth scores."""
    share = DROP / 2 * (1 + np.cos(np.pi * clock / END))
    found = {}
    for name, dead in zip(ORDER, np.asarray(before.target_counts), strict=True):
        mask = np.asarray(before.masks[name]["kernel"]).ravel().copy()
        size = np.abs(np.asarray(before.params[name]["kernel"])).ravel()
        moved = min(int(np.floor(np.float32(share) * mask.sum())), int(dead))
        live = np.flatnonzero(mask)
        mask[live[np.argsort(size[live], kind="stable")[:moved]]] = False
        candidates = np.flatnonzero(~mask)
        scores = growth[name].ravel()[candidates]
        # Of equal scores the higher index stays, so it is the first to come back.
        best = np.lexsort((candidates, scores))[::-1][:moved]
        mask[candidates[best]] = True
        found[name] = mask.reshape(SHAPES[name])
    return found


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("clock", [100, 470, 900])
def test_rigl_is_drop_by_magnitude_and_grow_by_gradient(sparsity: float, clock: int) -> None:
    before = network(sparsity)
    after = jax.jit(RIGL.update)(before, jnp.int32(clock))
    growth = {name: np.abs(np.asarray(before.gradients[name]["kernel"])) for name in ORDER}
    for name, mask in by_hand(before, growth, clock).items():
        np.testing.assert_array_equal(after[name]["kernel"], mask, name)
        assert after[name]["bias"] is None


@pytest.mark.parametrize("sparsity", [0.5, 0.9])
def test_set_grows_by_its_own_random_numbers(sparsity: float) -> None:
    before = network(sparsity)
    after = jax.jit(SET.update)(before._replace(gradients=None), jnp.int32(100))
    drawn = mask_rules.random_scores(before.params, before.key)
    growth = {name: np.asarray(drawn[name]["kernel"]) for name in ORDER}
    for name, mask in by_hand(before, growth, 100).items():
        np.testing.assert_array_equal(after[name]["kernel"], mask, name)
    other = SET.update(before._replace(gradients=None, key=jax.random.key(99)), jnp.int32(100))
    assert any((other[name]["kernel"] != after[name]["kernel"]).any() for name in ORDER)


@pytest.mark.parametrize("method", [RIGL, SET, Static(500)])
def test_counts_are_exact_from_the_start_and_stay(method: Any) -> None:
    sizes = np.array([np.prod(SHAPES[name]) for name in ORDER])
    for sparsity in (0.0, 0.5, 0.9, 0.98):
        before = network(sparsity)
        masks = method.init(before.params, before.target_counts, jax.random.key(3))
        for clock in (100, 400, 999):
            alive = np.asarray(mask_rules.alive_counts(masks))
            np.testing.assert_array_equal(alive, sizes - counts(sparsity))
            params = mask_rules.apply(masks, tree(clock))
            masks = method.update(before._replace(masks=masks, params=params), jnp.int32(clock))


def test_when_masks_change() -> None:
    clocks = jnp.arange(0, 1_300, 50)
    due = np.asarray(clocks)[np.asarray(jax.vmap(RIGL.is_due)(clocks))]
    assert due.tolist() == list(range(0, 1_000, 100))
    assert not jax.vmap(Static(500).is_due)(clocks).any()


def test_what_is_exchanged_falls_to_nothing() -> None:
    before = network(0.5)
    moved = []
    for clock in (0, 500, 999):
        after = RIGL.update(before, jnp.int32(clock))
        moved.append(
            sum(int((after[n]["kernel"] != before.masks[n]["kernel"]).sum()) for n in ORDER)
        )
    assert moved[0] > moved[1] > moved[2] == 0


@pytest.mark.parametrize(
    ("name", "growth", "needs_gradients", "drop_fraction", "end"),
    [("rigl", by_gradient, True, 0.4, 1_000), ("set", at_random, False, 0.3, 1_500)],
)
def test_each_name_is_the_method_of_its_paper_with_its_own_options(
    name: str, growth: Growth, needs_gradients: bool, drop_fraction: float, end: int
) -> None:
    config = from_mapping(
        {
            "environment": "gymnax/Pendulum-v1",
            "training": {"steps": 2_000, "learning_starts": 100},
            "sparsity": {
                "methods": ["rigl", "set"],
                "interval": 100,
                "rigl": {"drop_fraction": 0.4, "stop": 0.5},
                "set": {"drop_fraction": 0.3, "stop": 0.75},
            },
        }
    )
    found = METHODS.implementation(name)(config.sparsity.options_of(name), config)
    assert found == DynamicSparseTraining(growth, needs_gradients, drop_fraction, 100, end)
