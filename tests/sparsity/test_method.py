"""Gradual pruning as a whole: schedule, score and rule together."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.distributions import erk, pruned_counts, uniform
from sparse_rl.sparsity.method import GradualPruning
from sparse_rl.sparsity.schedules import CubicSchedule

SHAPES = [(17, 32), (32, 32), (32, 6)]
SCHEDULE = CubicSchedule(begin=200, end=800, interval=20)


def params(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        f"hidden_{i}": {
            "kernel": jnp.asarray(rng.standard_normal(shape, dtype=np.float32)),
            "bias": jnp.zeros(shape[-1]),
        }
        for i, shape in enumerate(SHAPES)
    }


def run(rule: Any, final: np.ndarray) -> list[tuple[int, Any]]:
    """Masks after every due step, with weights that move between the steps."""
    method = GradualPruning(SCHEDULE, rule)
    update = jax.jit(method.update)
    masks, history = mask_rules.dense(params(0)), []
    clocks = jnp.arange(0, 1_001, 10)
    for clock in clocks[SCHEDULE.is_due(clocks)].tolist():
        masks = update(masks, params(clock), jnp.asarray(final), jnp.int32(clock))
        history.append((clock, masks))
    return history


def cubic(clock: int) -> float:
    return 1 - (1 - (clock - 200) / 600) ** 3


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.98, 0.999])
def test_layers_follow_the_schedule_to_the_weight(sparsity: float) -> None:
    final = pruned_counts(SHAPES, sparsity, erk)
    sizes = np.array([np.prod(shape) for shape in SHAPES])
    history = run(mask_rules.prune_per_layer, final)
    assert [clock for clock, _ in history] == list(range(200, 801, 20))
    for clock, masks in history:
        dead = sizes - np.asarray(mask_rules.alive_counts(masks))
        assert (abs(dead - final * cubic(clock)) <= 0.5 + 1e-3).all()
    assert (sizes - np.asarray(mask_rules.alive_counts(history[0][1])) == 0).all()
    np.testing.assert_array_equal(dead, final)


@pytest.mark.parametrize("rule", [mask_rules.prune_per_layer, mask_rules.prune_globally])
def test_nothing_grows_back_and_the_end_is_exact(rule: Any) -> None:
    final = pruned_counts(SHAPES, 0.9, uniform)
    history = run(rule, final)
    for (_, before), (_, after) in itertools.pairwise(history):
        for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
            assert not np.any(~np.asarray(old) & np.asarray(new))
    alive = np.asarray(mask_rules.alive_counts(history[-1][1]))
    assert alive.sum() == sum(np.prod(shape) for shape in SHAPES) - final.sum()
    assert (alive >= 1).all()


def test_the_smallest_magnitudes_go() -> None:
    method = GradualPruning(CubicSchedule(0, 1, 1))
    weights = params(3)
    final = jnp.asarray(pruned_counts(SHAPES, 0.5, uniform))
    masks = jax.jit(method.update)(mask_rules.dense(weights), weights, final, jnp.int32(1))
    for name, layer in weights.items():
        kernel, mask = abs(np.asarray(layer["kernel"])), np.asarray(masks[name]["kernel"])
        assert kernel[~mask].max() <= kernel[mask].min()
        assert masks[name]["bias"] is None


def test_one_program_serves_all_levels() -> None:
    """Counts are traced: members of other levels under one vmap equal each level alone."""
    method = GradualPruning(SCHEDULE)
    levels = [0.0, 0.5, 0.9, 0.98]
    finals = jnp.stack([jnp.asarray(pruned_counts(SHAPES, level, uniform)) for level in levels])
    weights, dense = params(1), mask_rules.dense(params(1))
    update = jax.jit(method.update)
    together = jax.jit(jax.vmap(method.update, (None, None, 0, None)))(
        dense, weights, finals, jnp.int32(500)
    )
    for i in range(len(levels)):
        alone = update(dense, weights, finals[i], jnp.int32(500))
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_array_equal(a[i], b)


def test_a_large_layer_ends_exact_to_one_weight() -> None:
    """3136 x 512, the dense layer of the convolutional networks: more weights than 2^20."""
    shapes = [(3136, 512)]
    final = pruned_counts(shapes, 0.98, uniform)
    assert final.tolist() == [1_573_519]
    kernel = np.random.default_rng(0).standard_normal(shapes[0], dtype=np.float32)
    weights = {"hidden_0": {"kernel": jnp.asarray(kernel)}}
    method = GradualPruning(CubicSchedule(2_000_000, 8_000_000, 20_000))
    masks = jax.jit(method.update)(
        mask_rules.dense(weights), weights, jnp.asarray(final), jnp.int32(8_000_000)
    )
    alive = np.asarray(masks["hidden_0"]["kernel"])
    assert alive.sum() == 3136 * 512 - 1_573_519
    assert np.abs(kernel[~alive]).max() <= np.abs(kernel[alive]).min()
