"""The best variant that is small and fast enough, or the one that is nearest to that."""

import pandas as pd
import pytest

from benchmarks import synthetic
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.packed import PackedActor, to_bytes
from sparse_rl.envs import make
from sparse_rl.selection import limits
from sparse_rl.selection.limits import Limits, best_within
from tests import broken_compiler

RETURNS = {"0": 10.0, "0.9": 9.0, "0.9-int8": 9.5, "0.98": float("nan")}
WIDTHS = {"0": 32, "0.9": 16, "0.9-int8": 8, "0.98": 2}
ACTORS = {
    name: synthetic.mlp_actor((3, width, 1), 0.0, "float32") for name, width in WIDTHS.items()
}
SIZES = {name: len(to_bytes(PackedActor(compact(graph)))) for name, graph in ACTORS.items()}


class MadeUpRun:
    def packed(self, name, seed, spec):
        assert seed == 7
        return PackedActor(ACTORS[name])

    def summary(self):
        return pd.DataFrame({"variant": list(RETURNS), "return_iqm": list(RETURNS.values())})


def chosen(**most):
    seeds = dict.fromkeys(ACTORS, 7)
    return best_within(MadeUpRun(), seeds, make("gymnax/Pendulum-v1"), Limits(**most))


def test_the_best_return_among_those_that_fit():
    assert sorted(SIZES, key=SIZES.__getitem__, reverse=True) == list(WIDTHS)
    assert chosen(bytes=10**6) == "0"
    assert chosen(bytes=SIZES["0"] - 1) == "0.9-int8"


def test_a_variant_without_a_return_is_never_the_best():
    with pytest.raises(ValueError, match=r"nearest is 0\.98 with"):
        chosen(bytes=SIZES["0.98"] - 1)
    with pytest.raises(ValueError, match=r"nearest is 0\.98 with"):
        chosen(bytes=SIZES["0.98"])


def test_time_counts_as_much_as_size(monkeypatch):
    times = iter([9.0, 3.0, 5.0, 1.0])

    class Found:
        def __init__(self):
            self.median = next(times)

    monkeypatch.setattr(limits, "find_compiler", lambda: "cc")
    monkeypatch.setattr(limits.latency, "of_source", lambda source, seen: Found())
    assert chosen(microseconds=4.0) == "0.9"
    times = iter([9.0, 3.0, 5.0, 1.0])
    with pytest.raises(ValueError, match=r"nearest is 0\.98 with \d+ bytes, 1 us"):
        chosen(microseconds=0.5, bytes=10**6)
    monkeypatch.setattr(limits, "find_compiler", lambda: None)
    with pytest.raises(ValueError, match="--max-us: there is no C compiler"):
        chosen(microseconds=4.0)


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        (broken_compiler.FAILS, "{folder}/cc failed: cc: fatal error: no headers"),
        (
            broken_compiler.TIMES_NOTHING,
            "the timing program ended with status -4: illegal instruction",
        ),
    ],
    ids=["no program", "a program that dies"],
)
def test_what_cannot_be_timed_is_said_with_the_option(tmp_path, monkeypatch, compiler, said):
    folder = broken_compiler.write(tmp_path / "bin", compiler)
    monkeypatch.setenv("PATH", folder + ":/usr/bin:/bin")
    with pytest.raises(ValueError) as refused:
        chosen(microseconds=4.0)
    assert str(refused.value) == f"--max-us: {said.format(folder=folder)}; allowed: 0"


def test_no_limit_is_none():
    assert not Limits().given and Limits(1).given and Limits(0, 0.5).given


def test_the_limit_that_is_exceeded_most_counts_alone():
    """So 60 % of one and 60 % of the other are within both."""
    both = Limits(100, 10.0)
    assert both.excess(60, 6.0) == pytest.approx(0.6)
    assert both.excess(120, 6.0) == pytest.approx(1.2)
    assert both.excess(60, 25.0) == pytest.approx(2.5)
    assert Limits(bytes=100).excess(60, 1e9) == pytest.approx(0.6)
