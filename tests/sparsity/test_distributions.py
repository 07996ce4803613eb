"""How a sparsity is spread: the paper's numbers, and an independent solver."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_rl.sparsity.distributions import PER_LAYER, er_paper, erk, pruned_counts, uniform

FAST = settings(derandomize=True, deadline=None, max_examples=300)

HALFCHEETAH = [(17, 256), (256, 256), (256, 6)]
NATURE = [(8, 8, 4, 32), (4, 4, 32, 64), (3, 3, 64, 64), (3136, 512), (512, 6)]

sizes = st.integers(1, 600)
dense_shapes = st.tuples(sizes, sizes)
convolution_shapes = st.tuples(st.integers(1, 8), st.integers(1, 8), sizes, sizes)
networks = st.lists(st.one_of(dense_shapes, convolution_shapes), min_size=1, max_size=7)
levels = st.floats(0, 0.999)


def total(shapes: list[tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes)


def overall(shapes: list[tuple[int, ...]], sparsities: list[float]) -> float:
    """The sparsity of the whole network."""
    lost = sum(math.prod(shape) * s for shape, s in zip(shapes, sparsities, strict=True))
    return lost / total(shapes)


def test_er_paper_as_published() -> None:
    # The printed 0.504 is 0.50347 by the formula: half a digit is not enough here.
    np.testing.assert_allclose(er_paper(HALFCHEETAH, 0.5), (0.476, 0.504, 0.421), atol=6e-4)
    k = 0.5 * total(HALFCHEETAH) / (total(HALFCHEETAH) - sum(sum(shape) for shape in HALFCHEETAH))
    exact = [k * (1 - (n + m) / (n * m)) for n, m in HALFCHEETAH]
    np.testing.assert_allclose(er_paper(HALFCHEETAH, 0.5), exact, rtol=1e-12)
    density = 1 - np.array(er_paper(HALFCHEETAH, 0.98))
    np.testing.assert_allclose(density, (0.068, 0.013, 0.175), atol=5e-4)


def test_erk_on_the_same_network() -> None:
    np.testing.assert_allclose(erk(HALFCHEETAH, 0.5), (0, 0.545, 0), atol=5e-4)
    density = 1 - np.array(erk(HALFCHEETAH, 0.98))
    np.testing.assert_allclose(density, (0.086, 0.011, 0.233), atol=5e-4)


def test_uniform() -> None:
    assert uniform(NATURE, 0.9) == [0.9] * 5


def erk_by_search(shapes: list[tuple[int, ...]], sparsity: float) -> list[float]:
    """ERK without its loop: try how many of the layers with the largest ratio are dense.

    Fixing only the largest density again and again fixes the layers in the order of
    sum(dims) / prod(dims), and stops at the first number of them for which no density exceeds 1.
    """
    ratio = [sum(shape) / math.prod(shape) for shape in shapes]
    order = sorted(range(len(shapes)), key=lambda i: -ratio[i])
    for fixed in range(len(shapes) + 1):
        free = order[fixed:]
        kept = (1 - sparsity) * total(shapes) - sum(math.prod(shapes[i]) for i in order[:fixed])
        eps = kept / sum(sum(shapes[i]) for i in free) if free else 0.0
        if all(eps * ratio[i] <= 1 + 1e-12 for i in free):
            return [1 - eps * ratio[i] if i in free else 0.0 for i in range(len(shapes))]
    raise AssertionError("no number of dense layers fits")


@FAST
@given(networks, levels)
def test_erk_fixes_only_the_largest(shapes: list[tuple[int, ...]], sparsity: float) -> None:
    np.testing.assert_allclose(erk(shapes, sparsity), erk_by_search(shapes, sparsity), atol=1e-9)


@FAST
@given(networks, levels)
def test_er_paper_scales_sparsity(shapes: list[tuple[int, ...]], sparsity: float) -> None:
    """Every layer that is neither full nor exempt has the same k."""
    raw = np.array([max(1 - sum(shape) / math.prod(shape), 0) for shape in shapes])
    found = np.array(er_paper(shapes, sparsity))
    assert (found >= 0).all() and (found <= 1 + 1e-12).all()
    assert (found[raw == 0] == 0).all()
    free = (raw > 0) & (found < 1)
    if free.any():
        k = found[free] / raw[free]
        np.testing.assert_allclose(k, k[0], atol=1e-9)
        assert (raw[found == 1] * k[0] >= 1 - 1e-9).all()


@FAST
@given(networks, levels, st.sampled_from(sorted(PER_LAYER)))
def test_the_budget_is_met(shapes: list[tuple[int, ...]], sparsity: float, name: str) -> None:
    found = PER_LAYER[name](shapes, sparsity)
    assert len(found) == len(shapes)
    if name == "er_paper":
        # Layers whose n_in + n_out is not below n_in n_out stay dense: they may be all there are.
        prunable = total([s for s in shapes if sum(s) < math.prod(s)]) / total(shapes)
        assert abs(overall(shapes, found) - min(sparsity, prunable)) < 1e-9
    else:
        assert abs(overall(shapes, found) - sparsity) < 1e-9


@FAST
@given(networks, levels, st.sampled_from(sorted(PER_LAYER)))
def test_counts_are_whole_and_leave_a_weight(
    shapes: list[tuple[int, ...]], sparsity: float, name: str
) -> None:
    counts = pruned_counts(shapes, sparsity, PER_LAYER[name])
    assert counts.dtype == np.int32
    for shape, count, wanted in zip(shapes, counts, PER_LAYER[name](shapes, sparsity), strict=True):
        size = math.prod(shape)
        assert 0 <= count <= size - 1
        assert abs(count - wanted * size) <= 0.5 + 1e-6 or count == size - 1


@pytest.mark.parametrize("sparsity", [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99])
@pytest.mark.parametrize("name", sorted(PER_LAYER))
def test_counts_of_the_papers_networks(name: str, sparsity: float) -> None:
    for shapes in (HALFCHEETAH, NATURE):
        counts = pruned_counts(shapes, sparsity, PER_LAYER[name])
        assert abs(counts.sum() - sparsity * total(shapes)) <= len(shapes) / 2
    assert pruned_counts(shapes, 0.0, PER_LAYER[name]).tolist() == [0] * len(shapes)


def test_uniform_counts_by_hand() -> None:
    assert pruned_counts(HALFCHEETAH, 0.98, uniform).tolist() == [4265, 64225, 1505]
    assert pruned_counts([(3136, 512)], 0.98, uniform).tolist() == [1573519]
