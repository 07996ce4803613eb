"""From rates, one for each turn, to the rows of the table: ratios first."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers.entrants import AIMS, OURS

ABSENT: Any = ""


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Our rate over theirs, turn by turn: what disturbs the machine disturbs both."""
    return [mine / other for mine, other in zip(ours, theirs, strict=False)]


def row(
    algorithm: str,
    name: str,
    ours: Sequence[float],
    rates: Sequence[float],
    rest: Mapping[str, Any],
) -> dict[str, Any]:
    """One row: how many times as fast as this we are, and this one's own rate.

    Medians over the turns, with the lowest and the highest.
    """
    each = ratios(ours, rates)
    aim = AIMS.get((algorithm, name), ABSENT)
    ratio = statistics.median(each) if each else ABSENT
    return {
        "library": name,
        "sparse_rl is faster by": ratio,
        "lowest": min(each, default=ABSENT),
        "highest": max(each, default=ABSENT),
        "aim": aim,
        "met": ABSENT if ABSENT in (aim, ratio) else "yes" if ratio >= aim else "no",
        "seed-steps/s": statistics.median(rates) if rates else ABSENT,
        **rest,
    }


def failed(algorithm: str, name: str, problem: str) -> dict[str, Any]:
    """The row of a library that did not get through."""
    empty = dict.fromkeys(("processes", "seeds each", "start s", "compile s"), ABSENT)
    return row(algorithm, name, [], [], empty | {"versions": f"failed: {problem}"})


def measured(
    algorithm: str,
    name: str,
    rates: Mapping[str, Sequence[float]],
    rest: Mapping[str, Any],
) -> dict[str, Any]:
    """The row of a library that was measured, beside ours if that was."""
    return row(algorithm, name, rates.get(OURS, ()), rates[name], rest)
