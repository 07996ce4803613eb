"""Cohorts: how members are cut into them, and that it changes nothing of what members learn."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_rl.population import cohorts, forks
from sparse_rl.population import members as population
from sparse_rl.population.cohorts import CACHE, FEWEST, MOST, Cohorts
from tests.population.training import (
    SAC,
    arrays,
    build_program,
    collected,
    counts,
    programs,
    single_device,
    trained,
)


@given(st.integers(1, 60), st.sampled_from([1, 2]), st.integers(0, 20))
def test_members_are_cut_evenly_and_none_is_lost(each: int, devices: int, most: int) -> None:
    mesh = population.mesh(jax.devices()[:devices])
    sizes = cohorts.sizes(each * devices, mesh, most)
    assert sum(sizes) == each * devices
    assert all(size % devices == 0 for size in sizes)
    assert max(sizes) - min(sizes) in (0, devices)
    if most == 0:
        assert len(sizes) == 1
    else:
        assert max(sizes) <= most * devices
        # As few as there may be, or somewhat smaller ones that are all alike.
        fewest = -(-each // most)
        assert len(sizes) == fewest or (len(set(sizes)) == 1 and 3 * sizes[0] >= 2 * most * devices)
    rows = np.arange(each * devices)
    parts = cohorts.cut(rows, sizes)
    assert tuple(map(len, parts)) == sizes
    np.testing.assert_array_equal(np.concatenate(parts), rows)


def test_one_program_is_compiled_where_members_divide() -> None:
    """Forty seeds and levels on two devices, three members of each at most, are ten times 4."""
    mesh = population.mesh(jax.devices()[:2])
    assert cohorts.sizes(40, mesh, 3) == (4,) * 10
    assert cohorts.sizes(40, mesh, 6) == (10,) * 4
    assert cohorts.sizes(10, mesh, 3) == (6, 4)
    assert cohorts.sizes(10, mesh, 6) == (10,)


def test_large_networks_have_small_cohorts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a megabyte beside five: ten; 1 MB: five; never fewer than three or more than ten."""
    mesh = single_device()

    def most(size: int) -> int:
        return cohorts.most_at_once(jax.ShapeDtypeStruct((size // 4,), np.float32), mesh)

    assert CACHE == 5_000_000
    assert [most(500_000), most(1_000_000)] == [10, 5]
    assert [most(100_000_000), most(40_000)] == [FEWEST, MOST] == [3, 10]
    assert cohorts.most_at_once(None, mesh, wanted=7) == 7
    # Each process writes its own members, which in several cohorts would not be in order.
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert most(1_000_000) == cohorts.most_at_once(None, mesh, wanted=7) == 0


def test_a_member_learns_in_a_cohort_what_it_learns_among_all() -> None:
    """Products of other widths add in another order, so floats agree to that."""
    seeds, dead = [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]
    whole = trained(SAC, seeds, dead, iterations=12)
    _, train = programs(SAC)
    parts = [
        train(collected(SAC, seeds[rows], dead[rows]), np.int32(12))
        for rows in (slice(0, 3), slice(3, 5))
    ]
    apart = Cohorts(tuple(parts))
    assert apart.sizes == (3, 2) and int(apart.clock) == int(whole.clock)
    for name in ("policy", "critics"):
        found = apart.read(lambda part, name=name: getattr(part.members.agent, name).params)
        wanted = jax.device_get(getattr(whole.members.agent, name).params)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), found, wanted
        )
        masks = apart.read(lambda part, name=name: getattr(part.members.agent, name).masks)
        jax.tree.map(np.testing.assert_array_equal, masks, getattr(whole.members.agent, name).masks)


@pytest.mark.parametrize("before", [(4,), (2, 2), (3, 1), (1, 1, 1, 1)])
@pytest.mark.parametrize("after", [(5,), (3, 2), (1, 2, 2)])
def test_a_fork_takes_its_parents_from_any_cohorts(
    before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    seeds = np.arange(4, dtype=np.int32)
    dead = counts(SAC, {"policy": [0, 0, 0, 0]})["policy"]
    mesh, program = single_device(), build_program(SAC)
    whole = population.init(program, mesh, seeds, {"policy": dead})
    first, at = [], 0
    for size in before:
        rows = slice(at, at + size)
        first.append(population.init(program, mesh, seeds[rows], {"policy": dead[rows]}))
        at += size
    parents = np.array([2, 0, 0, 3, 1])
    forked = forks.fork(Cohorts(tuple(first)), parents, after, mesh)
    assert forked.sizes == after
    at = 0
    for part in forked.parts:
        mine = parents[at : at + len(part.members.failed)]
        for old, new in zip(arrays(whole.members), arrays(part.members), strict=True):
            np.testing.assert_array_equal(new, old[mine])
        at += len(mine)
