"""A network that is pruned: zeros that stay zeros, in the moments of any optimizer."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.tree_utils as otu
import pytest

from sparse_rl.agents import masked_network
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.agents.updates import adam
from sparse_rl.sparsity import masks as mask_rules

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


def dead_are_zero(network: MaskedNetwork) -> bool:
    parts = (
        network.params,
        otu.tree_get(network.optimizer, "mu"),
        otu.tree_get(network.optimizer, "nu"),
    )
    dead = {name: ~np.asarray(network.masks[name]["kernel"]) for name in SHAPES}
    return all(
        bool((np.asarray(part[name]["kernel"])[dead[name]] == 0).all())
        for part in parts
        for name in SHAPES
    )


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_pruned_weights_and_their_moments_are_zero_and_stay_so(
    decay: float, clip: float | None
) -> None:
    rng = np.random.default_rng(1)
    optimizer = adam(1e-2, 1e-8, decay, clip)
    network = masked_network.init(random_tree(rng), optimizer)
    step = jax.jit(lambda network, gradients: network.step(optimizer, gradients))
    prune = jax.jit(
        lambda network, counts: network.with_masks(
            mask_rules.prune_per_layer(network.masks, jax.tree.map(jnp.abs, network.params), counts)
        )
    )
    for round_ in range(4):
        for _ in range(15):
            network = step(network, random_tree(rng, 10.0))
            assert dead_are_zero(network)
        before, count = network, otu.tree_get(network.optimizer, "count")
        network = prune(network, jnp.array([16, 10, 50]) * (round_ + 1) // 2)
        assert dead_are_zero(network)
        # What is alive did not notice.
        assert otu.tree_get(network.optimizer, "count") == count
        for name in SHAPES:
            mask = np.asarray(network.masks[name]["kernel"])
            assert 0 < mask.sum() < mask.size
            for part in (lambda p: p.params, lambda p: otu.tree_get(p.optimizer, "nu")):
                old, new = np.asarray(part(before)[name]["kernel"]), part(network)[name]["kernel"]
                np.testing.assert_array_equal(np.asarray(new)[mask], old[mask])
                np.testing.assert_array_equal(
                    np.asarray(part(network)[name]["bias"]), np.asarray(part(before)[name]["bias"])
                )
                assert (old[mask] != 0).all()


def test_gradients_of_dead_weights_do_not_use_up_the_clip() -> None:
    """A huge gradient that falls on dead weights only must not shrink the others' steps."""
    optimizer = adam(1e-2, 1.0, 0.0, clip=1.0)  # so large an epsilon that the scale is seen
    params = {"hidden_0": {"kernel": jnp.array([1.0, 2.0])}}
    masks = {"hidden_0": {"kernel": jnp.array([True, False])}}
    network = masked_network.init(params, optimizer).with_masks(masks)
    quiet = network.step(optimizer, {"hidden_0": {"kernel": jnp.array([0.5, 0.0])}})
    loud = network.step(optimizer, {"hidden_0": {"kernel": jnp.array([0.5, 1e9])}})
    broken = network.step(optimizer, {"hidden_0": {"kernel": jnp.array([0.5, jnp.nan])}})
    for other in (loud, broken):
        np.testing.assert_array_equal(
            other.params["hidden_0"]["kernel"], quiet.params["hidden_0"]["kernel"]
        )
    assert quiet.params["hidden_0"]["kernel"][0] < 1.0


OPTIMIZERS = {
    "adam": (optax.adam(0.01), 2),
    "sgd with momentum": (optax.sgd(0.01, momentum=0.9), 1),
    "rmsprop": (optax.rmsprop(0.01, momentum=0.9), 2),
    "a chain": (optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.01)), 2),
}
"""Each with its number of moments."""


def moments(network: MaskedNetwork) -> list[Tree]:
    """All parts of the optimizer's state that look like the parameters."""
    structure = jax.tree.structure(network.params)

    def is_moment(part: Any) -> bool:
        return jax.tree.structure(part) == structure

    parts = jax.tree.leaves(network.optimizer, is_leaf=is_moment)
    return [part for part in parts if is_moment(part)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_moments_of_any_optimizer_are_masked(name: str) -> None:
    rng = np.random.default_rng(4)
    optimizer, count = OPTIMIZERS[name]
    network = masked_network.init(random_tree(rng), optimizer)
    network = network.step(optimizer, random_tree(rng))
    before = moments(network)
    assert len(before) == count
    masks = mask_rules.prune_per_layer(network.masks, random_tree(rng), jnp.array([20, 50, 100]))
    network = network.with_masks(masks)
    for old, new in zip(before, moments(network), strict=True):
        for layer in SHAPES:  # what is alive did not notice
            wanted = np.where(masks[layer]["kernel"], old[layer]["kernel"], 0)
            np.testing.assert_array_equal(wanted, new[layer]["kernel"])
            np.testing.assert_array_equal(old[layer]["bias"], new[layer]["bias"])
    for _ in range(3):
        for part in (network.params, *moments(network)):
            for layer in SHAPES:
                mask, kernel = np.asarray(masks[layer]["kernel"]), part[layer]["kernel"]
                assert (np.asarray(kernel)[~mask] == 0).all()
                assert (np.asarray(kernel)[mask] != 0).all()
        network = network.step(optimizer, random_tree(rng))


def test_a_weight_that_comes_back_starts_from_nothing() -> None:
    """Parameter and moments are zero when it returns; then it moves like a fresh one."""
    optimizer = optax.sgd(0.1, momentum=0.5)
    params = {"hidden_0": {"kernel": jnp.array([1.0, 2.0, 3.0])}}
    gradients = {"hidden_0": {"kernel": jnp.array([1.0, 1.0, 1.0])}}

    def masks(*alive: bool) -> Any:
        return {"hidden_0": {"kernel": jnp.array(alive)}}

    network = masked_network.init(params, optimizer).step(optimizer, gradients)
    network = network.with_masks(masks(True, False, True)).step(optimizer, gradients)
    network = network.with_masks(masks(False, True, True))
    (moment,) = moments(network)
    # By hand: the momentum is 1, then 0.5 + 1; the parameter goes by a tenth of each.
    np.testing.assert_allclose(network.params["hidden_0"]["kernel"], [0, 0, 2.75], rtol=1e-6)
    np.testing.assert_allclose(moment["hidden_0"]["kernel"], [0, 0, 1.5], rtol=1e-6)
    network = network.step(optimizer, gradients)
    (moment,) = moments(network)
    np.testing.assert_allclose(network.params["hidden_0"]["kernel"], [0, -0.1, 2.575], rtol=1e-6)
    np.testing.assert_allclose(moment["hidden_0"]["kernel"], [0, 1.0, 1.75], rtol=1e-6)


def test_a_network_without_masks_is_trained_as_the_optimizer_alone_would() -> None:
    rng = np.random.default_rng(5)
    params, gradients = random_tree(rng), random_tree(rng)
    optimizer = optax.adam(1e-2)
    network = masked_network.init_unmasked(params, optimizer)
    assert jax.tree.leaves(network.masks) == []
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    wanted = optax.apply_updates(params, updates)
    found = network.step(optimizer, gradients).params
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_new_network_is_dense() -> None:
    params = random_tree(np.random.default_rng(2))
    network = masked_network.init(params, optax.adam(1e-3))
    assert mask_rules.alive_counts(network.masks).tolist() == [
        leaf["kernel"].size for _, leaf in sorted(params.items())
    ]
