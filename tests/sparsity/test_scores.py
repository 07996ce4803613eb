"""LAMP against its definition, weight by weight, and gradual pruning by it against one sort."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.reading import from_mapping
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.distributions import erk, pruned_counts
from sparse_rl.sparsity.gradual import CubicSchedule, GradualPruning, build
from sparse_rl.sparsity.method import Pruned
from sparse_rl.sparsity.scores import lamp
from tests.sparsity.networks import LEVELS, NETWORKS, kernels, shapes, sizes, tree

METHOD = GradualPruning(CubicSchedule(0, 100, 10), mask_rules.prune_globally, lamp)


def by_definition(weights: np.ndarray) -> np.ndarray:
    """w_u^2 over the sum of the squares of u and of all weights behind it in ascending order."""
    flat = weights.ravel().astype(np.float64)
    order = sorted(range(flat.size), key=lambda i: (abs(flat[i]), i))
    found = np.zeros(flat.size)
    for position, u in enumerate(order):
        rest = sum(flat[v] ** 2 for v in order[position:])
        found[u] = flat[u] ** 2 / rest if rest > 0 else 0.0
    return found.reshape(weights.shape)


@pytest.mark.parametrize("network", NETWORKS)
def test_lamp_is_its_definition(network: str) -> None:
    params = tree(network, 0)
    scores = jax.jit(lamp)(params)
    for weights, found in zip(kernels(params, network), kernels(scores, network), strict=True):
        np.testing.assert_allclose(found, by_definition(weights), rtol=2e-5)
        assert found.max() == 1.0 and found.ravel()[np.abs(weights).argmax()] == 1.0


def test_ties_zeros_and_extremes() -> None:
    weights = np.array([2.0, 0.0, -2.0, 1.0, -0.0], np.float32)
    expected = [4 / 8, 0, 1, 1 / 9, 0]  # of the twos the first counts as the smaller
    score = jax.jit(lamp)
    for scale in (1, 1e-30, 1e30):  # squares of the last two are no float32
        np.testing.assert_allclose(score({"k": weights * scale})["k"], expected, rtol=1e-6)
    assert score({"k": jnp.zeros(5)})["k"].tolist() == [0] * 5


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_lowest_scores_of_all_layers_go(network: str, level: float) -> None:
    """Twice, with weights that moved: dead ones count for nothing and never return."""
    dead = pruned_counts(shapes(network), level, erk)
    masks, params = mask_rules.dense(tree(network, 1)), tree(network, 1)
    update = jax.jit(METHOD.update)
    before = [np.ones(shape, bool) for shape in shapes(network)]
    for clock, seed in ((40, 1), (100, 2)):
        params = mask_rules.apply(masks, tree(network, seed))
        network_of_now = Pruned(masks, params, None, jnp.asarray(dead), jax.random.key(0))
        masks = update(network_of_now, jnp.int32(clock))
        scores = np.concatenate([by_definition(k).ravel() for k in kernels(params, network)])
        was = np.concatenate([mask.ravel() for mask in before])
        now = int(sum(np.rint(dead * np.float32(1 - (1 - clock / 100) ** 3))))
        order = np.lexsort((np.arange(scores.size), scores, was))
        expected = np.ones(scores.size, bool)
        expected[order[:now]] = False
        found = np.concatenate([mask.ravel() for mask in kernels(masks, network)])
        np.testing.assert_array_equal(found, expected)
        before = kernels(masks, network)
    assert (~found).sum() == dead.sum()
    assert all(mask.any() for mask in before)


def test_a_layer_of_larger_weights_keeps_no_more_than_its_share() -> None:
    """What magnitude over all layers gets wrong: the scale of a layer decides nothing."""
    params, level = tree("mlp", 0), 0.8
    dead = jnp.asarray(pruned_counts(shapes("mlp"), level, erk))
    network = Pruned(mask_rules.dense(params), params, None, dead, jax.random.key(0))
    larger = network._replace(
        params={**params, "head": jax.tree.map(lambda w: 8 * w, params["head"])}
    )
    update = jax.jit(lambda state: mask_rules.alive_counts(METHOD.update(state, jnp.int32(100))))
    alive = [update(state).tolist() for state in (network, larger)]
    assert alive[0] == alive[1]
    assert sum(alive[0]) == sizes("mlp").sum() - int(dead.sum())


def test_it_is_chosen_by_an_option_and_leaves_old_digests() -> None:
    training = {"steps": 1_000, "learning_starts": 100}
    values = {"training": training, "sparsity": {"interval": 10, "gradual": {"score": "lamp"}}}
    config = from_mapping(values)
    method = build(config.sparsity.options_of("gradual"), config)
    assert method == GradualPruning(CubicSchedule(200, 800, 10), mask_rules.prune_globally, lamp)
    plain = {"training": training, "sparsity": {"interval": 10}}
    said = {"training": training, "sparsity": {"interval": 10, "gradual": {"score": "magnitude"}}}
    assert from_mapping(said).digest() == from_mapping(plain).digest() != config.digest()
