"""A column of cohorts says how many members they have."""

import pytest

from benchmarks.cohorts import sizes_of


@pytest.mark.parametrize(
    ("members", "devices", "sizes"),
    [(40, 2, [20, 10, 4]), (10, 2, [4]), (40, 16, [20]), (4, 1, []), (20, 4, [10, 4])],
)
def test_sizes_are_fewer_than_all_and_at_least_one_of_each_device(
    members: int, devices: int, sizes: list[int]
) -> None:
    assert sizes_of(members, devices) == sizes
