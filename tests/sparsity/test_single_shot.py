"""Masks that change once: which weights go, and at which step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.reading import from_mapping
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.method import Pruned
from sparse_rl.sparsity.single_shot import build_one_shot, build_snip

SHAPES = {"head": (16, 3), "hidden_0": (7, 16)}


def tree(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        name: {"kernel": jnp.asarray(rng.normal(size=shape).astype(np.float32))}
        for name, shape in SHAPES.items()
    }


def config(method: str, **sparsity: Any) -> Any:
    return from_mapping(
        {
            "training": {"steps": 10_000, "learning_starts": 200},
            "sparsity": {"methods": [method], "interval": 100, **sparsity},
        }
    )


def before(dead: list[int]) -> Pruned:
    params = tree(0)
    return Pruned(mask_rules.dense(params), params, tree(1), jnp.array(dead), jax.random.key(0))


def test_one_shot_takes_the_smallest_of_each_layer_at_once() -> None:
    chosen = config("one_shot", one_shot={"at": 0.5})
    method = build_one_shot(chosen.sparsity.options_of("one_shot"), chosen)
    assert (method.begin, method.end) == (4_999, 5_000)
    clocks = jnp.array([0, 200, 4_999, 5_000, 5_001, 10_000])
    assert jax.vmap(method.is_due)(clocks).tolist() == [False, False, False, True, False, False]
    network = before([20, 70])
    masks = method.update(network, jnp.int32(5_000))
    for name, dead in zip(SHAPES, (20, 70), strict=True):
        size = np.abs(np.asarray(network.params[name]["kernel"])).ravel()
        expected = np.ones(size.size, bool)
        expected[np.argsort(size)[:dead]] = False
        np.testing.assert_array_equal(np.asarray(masks[name]["kernel"]).ravel(), expected)


def test_snip_takes_the_smallest_products_of_weight_and_gradient_of_all_layers() -> None:
    chosen = config("snip")
    method = build_snip(chosen.sparsity.options_of("snip"), chosen)
    assert (method.begin, method.end) == (200, 201)
    assert method.needs_gradients
    network = before([20, 70])
    masks = method.update(network, jnp.int32(201))
    scores = np.concatenate(
        [
            np.abs(np.asarray(network.params[n]["kernel"]) * network.gradients[n]["kernel"]).ravel()
            for n in SHAPES
        ]
    )
    expected = np.ones(scores.size, bool)
    expected[np.argsort(scores)[:90]] = False
    found = np.concatenate([np.asarray(masks[name]["kernel"]).ravel() for name in SHAPES])
    np.testing.assert_array_equal(found, expected)


def test_a_shot_before_learning_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^sparsity.one_shot.at: found 0.02, step 200; allowed"):
        config("one_shot", one_shot={"at": 0.02})
