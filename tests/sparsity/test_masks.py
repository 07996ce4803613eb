"""Mask rules against NumPy's sort: exact counts, ties, what is dead stays dead."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Layer

FAST = settings(derandomize=True, deadline=None, max_examples=100)

# Few shapes, so that few programs are compiled; few values, so that there are ties.
SHAPES = [(3, 4), (2, 2, 1, 3), (5, 1), (1, 1)]
SIZES = [int(np.prod(shape)) for shape in SHAPES]
NAMES = ["a", "b", "c", "d"]

values = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1.0, 2.0]),
    st.floats(0, 2.0**127, width=32, allow_subnormal=False),
)
scores_of_all = st.tuples(*(st.lists(values, min_size=n, max_size=n) for n in SIZES))
counts_of_all = st.tuples(*(st.integers(0, n + 2) for n in SIZES))


def tree(flat: Any) -> dict[str, Any]:
    """Layers with a kernel and a bias, as a network has them."""
    return {
        "params": {
            name: {
                "kernel": jnp.asarray(np.array(leaf, np.float32).reshape(shape)),
                "bias": jnp.ones(3),
            }
            for name, shape, leaf in zip(NAMES, SHAPES, flat, strict=True)
        }
    }


def flat(masks: Any) -> list[np.ndarray]:
    return [np.asarray(masks["params"][name]["kernel"]).ravel() for name in NAMES]


def expected_dead(scores: np.ndarray, pruned: int, dead: np.ndarray) -> np.ndarray:
    """Plain Python: the dead ones, then the lowest scores, of equal ones the lower index."""
    order = sorted(range(len(scores)), key=lambda i: (not dead[i], scores[i], i))
    result = dead.copy()
    for i in order[: min(pruned, len(scores) - 1)]:
        result[i] = True
    return result


DENSE = mask_rules.dense(tree([np.zeros(n) for n in SIZES]))
per_layer = jax.jit(mask_rules.prune_per_layer)
globally = jax.jit(mask_rules.prune_globally)
anew = jax.jit(mask_rules.keep_per_layer)


def test_dense_masks_cover_kernels_and_nothing_else() -> None:
    for name, shape in zip(NAMES, SHAPES, strict=True):
        mask = DENSE["params"][name]["kernel"]
        assert mask.shape == shape and mask.dtype == bool and bool(mask.all())
        assert DENSE["params"][name]["bias"] is None
    assert mask_rules.alive_counts(DENSE).tolist() == SIZES
    params = tree([np.zeros(n) for n in SIZES])
    assert mask_rules.layers(params) == [
        Layer(name, shape) for name, shape in zip(NAMES, SHAPES, strict=True)
    ]


def test_layers_of_nested_modules_are_named_by_their_path() -> None:
    params = {"params": {"stack_1": {"convolution_0": {"kernel": np.zeros((9, 2))}}}}
    assert mask_rules.layers(params) == [Layer("stack_1/convolution_0", (9, 2))]


@FAST
@given(scores_of_all, counts_of_all, counts_of_all, scores_of_all)
def test_per_layer_equals_a_plain_sort_twice(
    first: Any, some: tuple[int, ...], more: tuple[int, ...], second: Any
) -> None:
    """Two rounds, with other scores in the second: exact counts, nothing comes back."""
    counts = np.array(some)
    masks = per_layer(DENSE, tree(first), jnp.asarray(counts))
    dead = [
        expected_dead(np.array(s, np.float32), n, np.zeros(len(s), bool))
        for s, n in zip(first, counts, strict=True)
    ]
    for found, want in zip(flat(masks), dead, strict=True):
        np.testing.assert_array_equal(~found, want)
    # Counts that are below the first ones too: what is dead stays dead even then.
    later = per_layer(masks, tree(second), jnp.asarray(more))
    for found, was, scores, n in zip(flat(later), dead, second, more, strict=True):
        want = expected_dead(np.array(scores, np.float32), n, was)
        np.testing.assert_array_equal(~found, want)
        assert (~found).sum() == max(min(n, len(want) - 1), was.sum())
        assert found.any()
    for name in NAMES:
        assert later["params"][name]["bias"] is None


@FAST
@given(scores_of_all, counts_of_all, counts_of_all, scores_of_all)
def test_masks_anew_let_weights_come_back(
    first: Any, some: tuple[int, ...], more: tuple[int, ...], second: Any
) -> None:
    """Exact counts by the scores of now alone, whatever was dead before."""
    masks = anew(DENSE, tree(first), jnp.asarray(np.array(some)))
    later = anew(masks, tree(second), jnp.asarray(np.array(more)))
    for found, scores, n in zip(flat(later), second, more, strict=True):
        want = expected_dead(np.array(scores, np.float32), n, np.zeros(len(scores), bool))
        np.testing.assert_array_equal(~found, want)
        assert (~found).sum() == min(n, len(scores) - 1)
    for name in NAMES:
        assert later["params"][name]["bias"] is None


def test_all_that_died_may_live_again() -> None:
    scores = [np.arange(n) for n in SIZES]
    dead = jnp.array([6, 6, 3, 0])
    masks = anew(DENSE, tree(scores), dead)
    reversed_masks = anew(masks, tree([-array for array in scores]), dead)
    for was, now in zip(flat(masks)[:2], flat(reversed_masks)[:2], strict=True):
        np.testing.assert_array_equal(now, ~was)  # half of them: they change places
    assert all(found.all() for found in flat(anew(masks, tree(scores), jnp.zeros(4, jnp.int32))))


def globally_expected(scores: list[np.ndarray], pruned: int, dead: list[np.ndarray]) -> np.ndarray:
    """One NumPy sort over all layers, in which the best live weight of each cannot go."""
    keep = []
    for s, d in zip(scores, dead, strict=True):
        alive = np.flatnonzero(~d)
        protected = np.zeros(len(s), bool)
        protected[alive[np.argmax(s[alive])]] = True
        keep.append(protected)
    s, d, k = (np.concatenate(parts) for parts in (scores, dead, keep))
    order = np.lexsort((np.arange(len(s)), s, ~d, k))
    result = d.copy()
    result[order[: min(pruned, len(s) - len(scores))]] = True
    return result


@FAST
@given(scores_of_all, counts_of_all, counts_of_all, scores_of_all)
def test_global_equals_a_numpy_sort_twice(
    first: Any, some: tuple[int, ...], more: tuple[int, ...], second: Any
) -> None:
    none = [np.zeros(n, bool) for n in SIZES]
    scores = [np.array(s, np.float32) for s in first]
    masks = globally(DENSE, tree(first), jnp.asarray(np.array(some)))
    want = globally_expected(scores, sum(some), none)
    np.testing.assert_array_equal(~np.concatenate(flat(masks)), want)
    assert want.sum() == min(sum(some), sum(SIZES) - len(SIZES))

    dead = [~found for found in flat(masks)]
    later = globally(masks, tree(second), jnp.asarray(np.array(more)))
    want = globally_expected([np.array(s, np.float32) for s in second], sum(more), dead)
    np.testing.assert_array_equal(~np.concatenate(flat(later)), want)
    assert all(found.any() for found in flat(later))


def test_ties_go_by_index() -> None:
    for pruned in range(7):
        kept = mask_rules.keep_largest(jnp.ones(6), jnp.int32(pruned))
        assert kept.tolist() == [i >= min(pruned, 5) for i in range(6)]
    scores = jnp.array([2.0, 1.0, 1.0, 3.0, 1.0])
    assert mask_rules.keep_largest(scores, jnp.int32(2)).tolist() == [
        True,
        False,
        False,
        True,
        True,
    ]


def test_zero_and_minus_zero_tie() -> None:
    scores = jnp.array([0.0, -0.0, 0.0, -0.0])
    assert mask_rules.keep_largest(scores, jnp.int32(2)).tolist() == [False, False, True, True]


@pytest.mark.parametrize("seed", range(8))
def test_keeps_what_a_stable_sort_keeps(seed: int) -> None:
    """Ties, both zeros, infinities and NaN among the scores; NumPy's sort as the judge."""
    rng = np.random.default_rng(seed)
    size = [1, 2, 31, 32, 33, 64, 200, 1000][seed]
    scores = np.round(rng.standard_normal(size) * 4).astype(np.float32) / 4
    for value in (0.0, -0.0, np.inf, -np.inf, np.nan, 1e-37, 3.4e38):
        scores[rng.random(size) < 0.08] = value
    order = np.argsort(scores, kind="stable")
    keep = jax.jit(mask_rules.keep_largest)
    for pruned in sorted({0, 1, size // 3, size // 2, size - 1, size, size + 5}):
        want = np.ones(size, bool)
        want[order[: min(pruned, size - 1)]] = False
        np.testing.assert_array_equal(keep(scores, pruned), want, err_msg=f"{pruned} of {size}")


@pytest.mark.parametrize(
    "rule", [mask_rules.keep_per_layer, mask_rules.prune_per_layer, mask_rules.prune_globally]
)
def test_vmap_equals_a_loop(rule: Any) -> None:
    """Members with other weights, masks and counts, under one program."""
    members, rng = 5, np.random.default_rng(0)
    scores = [tree([rng.integers(0, 4, n) for n in SIZES]) for _ in range(members)]
    first = [jnp.asarray(rng.integers(0, SIZES)) for _ in range(members)]
    masks = [
        jax.jit(rule)(DENSE, tree([rng.random(n) for n in SIZES]), count // 2) for count in first
    ]
    one, many = jax.jit(rule), jax.jit(jax.vmap(rule))
    stacked = many(
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *masks),
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *scores),
        jnp.stack(first),
    )
    for i in range(members):
        alone = one(masks[i], scores[i], first[i])
        for found, want in zip(
            flat(jax.tree.map(lambda leaf, i=i: leaf[i], stacked)), flat(alone), strict=True
        ):
            np.testing.assert_array_equal(found, want)


def test_a_network_that_is_never_pruned_has_no_masks() -> None:
    params = tree([np.ones(n) for n in SIZES])
    masks = mask_rules.none(params)
    assert jax.tree.leaves(masks) == []
    same = mask_rules.apply(masks, params)
    for one, other in zip(jax.tree.leaves(same), jax.tree.leaves(params), strict=True):
        assert one is other


def test_apply_zeroes_exactly_and_leaves_dense_leaves_alone() -> None:
    params = tree([np.full(n, np.nan if n == 5 else -7.0) for n in SIZES])
    masks = per_layer(DENSE, tree([np.arange(n) for n in SIZES]), jnp.array([5, 2, 4, 0]))
    pruned = mask_rules.apply(masks, params)
    for name, mask in zip(NAMES, flat(masks), strict=True):
        kernel = np.asarray(pruned["params"][name]["kernel"]).ravel()
        assert (kernel[~mask] == 0).all()  # also where it was not a number
        assert not np.signbit(kernel[~mask]).any()
        np.testing.assert_array_equal(
            kernel[mask], np.asarray(params["params"][name]["kernel"]).ravel()[mask]
        )
        assert pruned["params"][name]["bias"] is params["params"][name]["bias"]


@pytest.mark.parametrize("sparsity", [0.5, 0.9, 0.98, 0.99])
def test_a_large_layer_is_exact_to_one_weight(sparsity: float) -> None:
    size = 3136 * 512
    wanted = round(size * sparsity)
    scores = np.random.default_rng(1).random(size, dtype=np.float32)
    kept = np.asarray(jax.jit(mask_rules.keep_largest)(scores, wanted))
    assert (~kept).sum() == wanted
    assert scores[~kept].max() <= scores[kept].min()
