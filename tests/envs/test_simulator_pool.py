"""Simulators that wait: each that was made is closed when nobody needs it any more."""

import subprocess
import sys

import pytest

from sparse_rl.envs.simulator_pool import SimulatorPool


class Simulator:
    """Counts how often it was closed, and may refuse."""

    def __init__(self, fails: bool = False) -> None:
        self.closed, self.fails = 0, fails

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise RuntimeError("the window is gone already")


def test_all_are_closed_once_with_the_pool() -> None:
    made: list[Simulator] = []

    def make() -> Simulator:
        made.append(Simulator(fails=not made))
        return made[-1]

    first = Simulator()
    pool = SimulatorPool(make, close=Simulator.close)
    pool.put(b"", first)
    pool.expect(1, 1)
    for mark in (b"a", b"b", b"c", b"d"):
        pool.put(mark, pool.spare())
    assert len(made) == 2 and not any(simulator.closed for simulator in [first, *made])
    del pool
    assert [simulator.closed for simulator in [first, *made]] == [1, 1, 1]


def test_callers_do_not_take_each_others() -> None:
    """Four devices step three environments each, in turns: none is ever in another's state."""
    made: list[Simulator] = []

    def make() -> Simulator:
        made.append(Simulator())
        return made[-1]

    pool, missed = SimulatorPool(make, per_environment=1), 0
    for step in range(5):
        for caller in range(4):
            pool.expect(3, 4)
            for row in range(3):
                found = pool.take(b"%d %d %d" % (caller, row, step - 1))
                missed += found is None
                pool.put(b"%d %d %d" % (caller, row, step), found or pool.spare())
    assert missed == len(made) == 12  # at the first step alone


def test_environments_of_gymnasium_are_closed_when_python_ends() -> None:
    pytest.importorskip("gymnasium")
    program = """
import jax
from gymnasium.envs.classic_control import CartPoleEnv
from sparse_rl.envs import make

CartPoleEnv.close = lambda self: print("closed")
make("gymnasium/CartPole-v1").reset(jax.random.split(jax.random.key(0), 2))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["closed"] * 3  # two that were reset, and the first of all
