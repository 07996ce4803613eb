"""The index code: what is written is read, in nearly as few bits as there is information."""

from math import comb, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_rl.artifact.packed import index_code


@given(st.sets(st.integers(0, 5000)), st.integers(0, 100))
def test_positions_are_read_as_written(chosen, beyond):
    positions = np.array(sorted(chosen), np.int64)
    size = (int(positions[-1]) if len(positions) else 0) + 1 + beyond
    parameter, code = index_code.encode(positions)
    found, used = index_code.decode(code + b"\xff\x00\xff", len(positions), parameter, size)
    assert np.array_equal(found, positions)
    assert used == len(code)


@pytest.mark.parametrize(("size", "count"), [(10, 3), (52, 5), (100, 100), (100, 0)])
def test_the_bound_is_the_binomial(size, count):
    assert index_code.entropy_bits(size, count) == pytest.approx(log2(comb(size, count)), abs=1e-9)


@pytest.mark.parametrize("density", [0.5, 0.1, 0.02, 0.01, 0.001])
def test_random_masks_cost_hardly_more_than_their_entropy(density):
    size = 65536
    random = np.random.default_rng(3)
    positions = np.sort(random.choice(size, int(size * density), replace=False))
    _, code = index_code.encode(positions)
    bound = index_code.entropy_bits(size, len(positions)) / 8
    assert bound * 0.98 < len(code) < bound * 1.06 + 2


@given(st.binary(max_size=40), st.integers(0, 60), st.integers(0, 30), st.integers(1, 2000))
def test_any_bytes_give_positions_within_the_layer_or_an_error(code, count, parameter, size):
    try:
        positions, used = index_code.decode(code, count, parameter, size)
    except ValueError:
        return
    assert len(positions) == count and used <= len(code)
    assert (np.diff(positions) > 0).all()
    assert count == 0 or (positions[0] >= 0 and positions[-1] < size)
