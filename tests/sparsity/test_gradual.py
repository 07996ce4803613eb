"""Gradual pruning: the schedule against the paper's formula, then schedule, score and rule."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_rl.config.reading import from_mapping
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.distributions import erk, pruned_counts, uniform
from sparse_rl.sparsity.gradual import CubicSchedule, GradualPruning, build, magnitude
from sparse_rl.sparsity.masks import Masks
from sparse_rl.sparsity.method import Pruned

SHAPES = [(17, 32), (32, 32), (32, 6)]
SCHEDULE = CubicSchedule(begin=200, end=800, interval=20)
# SAC: 600 steps of 1,000 from 200,000 of 1M; DQN: 300 of 20,000 from 2M of 10M.
PAPER = [CubicSchedule(200_000, 800_000, 1_000), CubicSchedule(2_000_000, 8_000_000, 20_000)]


def formula(begin: int, steps: int, interval: int, clock: int) -> float:
    """s_t / s_f of Zhu and Gupta (2017), equation 1, for t on the grid."""
    return 1 - (1 - (clock - begin) / (steps * interval)) ** 3


@pytest.mark.parametrize(("schedule", "steps"), zip(PAPER, (600, 300), strict=True))
def test_papers_grid(schedule: CubicSchedule, steps: int) -> None:
    begin, end, interval = schedule
    clocks = jnp.arange(begin - 5 * interval, end + 5 * interval + 1, interval // 8)
    due = np.asarray(jax.jit(jax.vmap(schedule.is_due))(clocks))
    assert list(np.asarray(clocks)[due]) == [begin + i * interval for i in range(steps + 1)]
    share = np.asarray(jax.jit(jax.vmap(schedule.share))(clocks[due]))
    expected = [formula(begin, steps, interval, int(clock)) for clock in clocks[due]]
    np.testing.assert_allclose(share, expected, atol=3e-7)
    assert share[0] == 0.0 and share[-1] == 1.0
    assert (np.diff(share) >= 0).all()


def test_outside_of_pruning() -> None:
    schedule = PAPER[0]
    assert schedule.share(jnp.int32(0)) == 0.0
    assert schedule.share(jnp.int32(199_999)) == 0.0
    assert schedule.share(jnp.int32(800_001)) == 1.0
    assert schedule.share(jnp.int32(1_200_000)) == 1.0
    assert not schedule.is_due(jnp.int32(199_000))
    assert not schedule.is_due(jnp.int32(801_000))


@jax.jit
def due_and_share(schedule: CubicSchedule, clock: jax.Array) -> tuple[jax.Array, jax.Array]:
    return schedule.is_due(clock), schedule.share(clock)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    begin=st.integers(0, 2**30),
    span=st.integers(1, 2**30),
    interval=st.integers(1, 2**20),
    offset=st.integers(-(2**20), 2**20),
)
def test_any_schedule_ends_exactly_and_follows_the_formula(
    begin: int, span: int, interval: int, offset: int
) -> None:
    schedule = CubicSchedule(begin, begin + span, min(interval, span))
    due, share = due_and_share(schedule, jnp.int32(begin + span))
    assert due and share == 1.0
    due, share = due_and_share(schedule, jnp.int32(begin))
    assert due and share == 0.0
    clock = min(max(begin + offset, 0), begin + span)
    due, share = due_and_share(schedule, jnp.int32(clock))
    on_grid = clock >= begin and (clock - begin) % schedule.interval == 0
    assert bool(due) == (on_grid or clock == begin + span)
    expected = formula(begin, 1, span, max(clock, begin))
    assert abs(float(share) - expected) < 3e-7


def test_share_never_falls() -> None:
    clocks = jnp.arange(0, 20_000)
    share = np.asarray(jax.vmap(CubicSchedule(1_234, 17_891, 7).share)(clocks))
    assert (np.diff(share) >= 0).all()


def params(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        f"hidden_{i}": {
            "kernel": jnp.asarray(rng.standard_normal(shape, dtype=np.float32)),
            "bias": jnp.zeros(shape[-1]),
        }
        for i, shape in enumerate(SHAPES)
    }


def updated(
    method: GradualPruning, masks: Masks, params: Any, target_counts: jax.Array, clock: jax.Array
) -> Masks:
    """Gradual pruning looks at neither gradients nor chance."""
    pruned = Pruned(masks, params, None, target_counts, jax.random.key(0))
    return method.update(pruned, clock)


def run(rule: Any, final: np.ndarray) -> list[tuple[int, Any]]:
    """Masks after every due step, with weights that move between the steps."""
    method = GradualPruning(SCHEDULE, rule)
    update = jax.jit(functools.partial(updated, method))
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
    update = jax.jit(functools.partial(updated, method))
    masks = update(mask_rules.dense(weights), weights, final, jnp.int32(1))
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
    update = functools.partial(updated, method)
    together = jax.jit(jax.vmap(update, (None, None, 0, None)))(
        dense, weights, finals, jnp.int32(500)
    )
    update = jax.jit(update)
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
    masks = jax.jit(functools.partial(updated, method))(
        mask_rules.dense(weights), weights, jnp.asarray(final), jnp.int32(8_000_000)
    )
    alive = np.asarray(masks["hidden_0"]["kernel"])
    assert alive.sum() == 3136 * 512 - 1_573_519
    assert np.abs(kernel[~alive]).max() <= np.abs(kernel[alive]).min()


def test_it_begins_dense_and_needs_no_gradients() -> None:
    method = GradualPruning(SCHEDULE)
    final = jnp.asarray(pruned_counts(SHAPES, 0.9, uniform))
    masks = method.init(params(0), final, jax.random.key(0))
    assert mask_rules.alive_counts(masks).tolist() == [np.prod(shape) for shape in SHAPES]
    assert (method.begin, method.end, method.needs_gradients) == (200, 800, False)


def test_magnitude_is_the_absolute_value() -> None:
    found = magnitude({"kernel": jnp.array([-2.0, 0.5, -0.0])})["kernel"]
    np.testing.assert_array_equal(found, [2.0, 0.5, 0.0])


@pytest.mark.parametrize(
    ("distribution", "rule"),
    [
        ("uniform", mask_rules.prune_per_layer),
        ("erk", mask_rules.prune_per_layer),
        ("global", mask_rules.prune_globally),
    ],
)
def test_it_is_built_as_configured(distribution: str, rule: Any) -> None:
    sparsity = {"begin": 0.25, "end": 0.75, "interval": 10, "distribution": distribution}
    training = {"steps": 1000, "learning_starts": 100}
    config = from_mapping({"training": training, "sparsity": sparsity})
    method = build(config.sparsity.options_of("gradual"), config)
    assert method == GradualPruning(CubicSchedule(250, 750, 10), rule)
