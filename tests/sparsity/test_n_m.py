"""N:M against NumPy, group by group: whole groups, groups that are cut short, convolutions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.reading import from_mapping
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.gradual import CubicSchedule
from sparse_rl.sparsity.method import OwnCounts, Pruned
from sparse_rl.sparsity.n_m import NMPruning, build, dead_weights, keep_largest_of_groups
from tests.sparsity.groups import by_hand
from tests.sparsity.networks import NETWORKS, kernels, shapes, tree

PATTERNS = [(2, 4), (1, 4), (3, 4), (4, 4), (1, 8), (2, 8), (1, 2)]
SCHEDULE = CubicSchedule(0, 100, 10)


@pytest.mark.parametrize(("n", "m"), PATTERNS)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_largest_of_each_group_stay(network: str, n: int, m: int) -> None:
    """At the end of pruning, after one update on the way with other weights."""
    method = NMPruning(SCHEDULE, m)
    dead = method.pruned_counts(shapes(network), 1 - n / m)
    masks = mask_rules.dense(tree(network, 0))
    expected = [np.ones(shape, bool) for shape in shapes(network)]
    update = jax.jit(method.update)
    for clock, seed in ((30, 1), (100, 2)):
        params = mask_rules.apply(masks, tree(network, seed))
        state = Pruned(masks, params, None, jnp.asarray(dead), jax.random.key(0))
        masks = update(state, jnp.int32(clock))
        gone = int(np.rint((1 - (1 - clock / 100) ** 3) * (m - n)))
        expected = [
            by_hand(np.abs(kernel), was, m - gone, m)
            for kernel, was in zip(kernels(params, network), expected, strict=True)
        ]
        for found, want in zip(kernels(masks, network), expected, strict=True):
            np.testing.assert_array_equal(found, want)
    assert [int((~mask).sum()) for mask in kernels(masks, network)] == dead.tolist()
    assert all(mask.any() for mask in kernels(masks, network))


@pytest.mark.parametrize(("n", "m"), PATTERNS)
@pytest.mark.parametrize("inputs", [1, 3, 4, 7, 8, 17])
def test_counts_are_those_of_a_kernel_padded_with_zeros(inputs: int, n: int, m: int) -> None:
    scores = np.random.default_rng(inputs).uniform(size=(inputs, 5)).astype(np.float32)
    mask = by_hand(scores, np.ones(scores.shape, bool), n, m)
    assert (~mask).sum() == dead_weights((inputs, 5), m)[m - n]
    padded = np.pad(mask, ((0, -inputs % m), (0, 0)))
    assert (padded.reshape(-1, m, 5).sum(axis=1) <= n).all()
    if inputs % m == 0:
        assert mask.mean() == n / m


def test_of_equal_scores_the_lower_index_goes() -> None:
    scores = jnp.array([[1.0], [1.0], [1.0], [1.0], [2.0], [2.0], [0.0]])
    kept = keep_largest_of_groups(scores, jnp.int32(2), 4)[:, 0]
    assert kept.tolist() == [False, False, True, True, True, True, False]


def test_a_level_is_a_pattern_or_is_refused() -> None:
    def config(levels: list[float], **n_m: Any) -> Any:
        sparsity = {"levels": levels, "methods": ["n_m"], "interval": 10, "n_m": n_m}
        training = {"steps": 1_000, "learning_starts": 100}
        return from_mapping({"training": training, "sparsity": sparsity})

    chosen = config([0, 0.5, 0.875], m=8)
    method = build(chosen.sparsity.options_of("n_m"), chosen)
    assert method == NMPruning(CubicSchedule(200, 800, 10), 8)
    assert isinstance(method, OwnCounts)
    assert method.pruned_counts([(8, 8), (16, 2)], 0.875).tolist() == [56, 28]
    assert method.pruned_counts([(8, 8), (16, 2)], 0.0).tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"^sparsity.levels: found 0, 0.9 with .*n_m.m, 0.25$"):
        config([0, 0.9])
    with pytest.raises(ValueError, match=r"^sparsity.n_m.m: found 1; allowed: "):
        config([0], m=1)
