"""Rivals of a network: how many weights each has, and which; against NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.error import ConfigError
from sparse_rl.config.reading import from_mapping
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.adaptive import Adaptive, build
from sparse_rl.sparsity.distributions import erk, pruned_counts
from sparse_rl.sparsity.method import Pruned
from tests.sparsity.networks import LEVELS, NETWORKS, kernels, shapes, sizes, tree

RIVALS, MOST_DROPPED = 6, 0.4
METHOD = Adaptive(RIVALS, MOST_DROPPED, mask_rules.prune_per_layer, end=1_000)


def pruned_before(network: str, most: np.ndarray, share: float) -> Pruned:
    """A network that has lost a share of what it may lose."""
    params = tree(network, 0)
    scores = jax.tree.map(jnp.abs, params)
    dead = jnp.asarray(np.rint(share * most), jnp.int32)
    masks = mask_rules.prune_per_layer(mask_rules.dense(params), scores, dead)
    params = mask_rules.apply(masks, params)
    return Pruned(masks, params, None, jnp.asarray(most), jax.random.key(5))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_rival_loses_its_draw_of_the_living_but_no_more_than_it_may(
    network: str, level: float, share: float
) -> None:
    most = pruned_counts(shapes(network), level, erk)
    before = pruned_before(network, most, share)
    rivals = jax.jit(METHOD.rival_masks)(before)
    drawn = np.asarray(jax.random.uniform(before.key, (RIVALS,), maxval=MOST_DROPPED), np.float64)
    old = kernels(before.masks, network)
    alive = sum(int(mask.sum()) for mask in old)
    for rival, u in enumerate(drawn):
        aim = min(1.0, (sizes(network).sum() - alive * (1 - u)) / max(most.sum(), 1))
        for layer, mask in enumerate(kernels(rivals, network)):
            kept = mask[rival].ravel()
            # One weight of rounding in float32, or in what was dead before.
            assert abs((~kept).sum() - aim * most[layer]) <= 1
            assert (~kept).sum() <= most[layer]
            was = old[layer].ravel()
            assert not (kept & ~was).any(), "what is dead stays dead"
            size = np.abs(kernels(before.params, network)[layer]).ravel()
            gone = size[was & ~kept]
            assert gone.size == 0 or gone.max() <= size[kept].min(), "the smallest go"


def test_rivals_differ_and_none_differs_from_a_member_that_may_lose_nothing() -> None:
    most = pruned_counts(shapes("mlp"), 0.9, erk)
    before = pruned_before("mlp", most, 0.3)
    left = [int(mask_rules.alive_counts(rival).sum()) for rival in each(METHOD.rival_masks(before))]
    assert len(set(left)) == RIVALS
    nothing = before._replace(target_counts=jnp.zeros_like(before.target_counts))
    for rival in each(METHOD.rival_masks(nothing)):
        jax.tree.map(np.testing.assert_array_equal, rival, before.masks)


def each(stacked: Any) -> list[Any]:
    return [jax.tree.map(lambda mask, i=i: mask[i], stacked) for i in range(RIVALS)]


def study(agent: str, **adaptive: Any) -> Any:
    return from_mapping(
        {
            "environment": "probe/termination?actions=" + agent,
            "agent": {"name": {"discrete": "dqn", "continuous": "sac"}[agent]},
            "training": {"steps": 10_000, "learning_starts": 200, "train_frequency": 4},
            "sparsity": {"methods": ["adaptive"], "adaptive": adaptive},
        }
    )


def test_options() -> None:
    config = study("discrete", networks=3, drop_fraction=0.1, stop=0.5)
    method = build(config.sparsity.options_of("adaptive"), config)
    assert (method.rivals, method.drop_fraction, method.begin, method.end) == (2, 0.1, 0, 5_000)


def test_an_agent_without_a_target_of_this_kind_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"^sparsity.methods: found adaptive with .* sac; allowed"
    ):
        study("continuous")
