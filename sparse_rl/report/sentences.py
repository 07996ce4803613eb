"""What the statistics say, in words that claim no more than they hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from sparse_rl.summary.estimates import (
    FEWEST_FOR_SPREAD,
    MOST_SEEDS,
    POWER,
    Estimate,
    seeds_to_show_no_loss,
    unseen_share,
)
from sparse_rl.summary.final_table import (
    NO_DENSE,
    NOT_FINISHED,
    NOT_WORSE,
    OF_DENSE,
    TOO_FEW_SEEDS,
    UNDECIDED,
    WORSE,
    Margin,
    not_worse_in_order,
)
from sparse_rl.summary.kinds import by_kind


def criterion(margin: Margin, table: pd.DataFrame, longer: float) -> str:
    """What "not worse" means, with its numbers, and what it leaves open; "" if nothing is compared.

    Args:
        longer: by which share of its steps an arithmetic trains longer than float32.
    """
    if not math.isfinite(margin.value) or _compared(table).empty:
        return ""
    parts = [
        f'A variant is called "not worse" than dense if the 95 % interval of its paired '
        f"difference lies wholly above {-margin.value or 0.0:,.4g} ({margin.origin})."
    ]
    shown = table.loc[table["verdict"] == NOT_WORSE, "pairs"]
    if len(shown):
        seeds = int(shown.min())
        parts.append(
            f"{seeds} seeds of which none collapses do not exclude that "
            f"{100 * unseen_share(seeds):.0f} % of trainings do."
        )
    if longer > 0 and (table["arithmetic"] != "float32").any():
        parts.append(
            f"int8 and integer variants have trained {100 * longer:g} % longer than dense: their "
            f"difference is of both."
        )
    parts.append(_seeds_to_plan_for(table, margin.value))
    return " ".join(filter(None, parts))


_NAMED = 4
"""Of so many undecided variants each has its number; of more, the first and the last."""


class Sentence(NamedTuple):
    """A claim, and the numbers or exceptions that belong to it."""

    claim: str
    detail: str

    def __str__(self) -> str:
        return f"{self.claim}; {self.detail}."


def no_loss(table: pd.DataFrame) -> list[Sentence]:
    """How far each kind of compression in the table goes without loss: one sentence each.

    What holds of all of them alike, that there are too few seeds or no dense, is said once.
    """
    why, needed = _why_nothing_is_compared(table), _seeds_needed(table)
    verdicts = set(_compared(table)["verdict"])
    if verdicts == {NO_DENSE}:
        return [Sentence("No dense network to compare with", why)]
    if verdicts == {TOO_FEW_SEEDS}:
        return [Sentence("Too few seeds to say whether return is lost", needed)]
    sentences = []
    for kind, own in by_kind(table):
        alone = own[own["target_sparsity"] == 0]
        for row in [] if kind.is_dense else alone.to_dict("records"):
            sentences.append(_one_variant(kind.heading_alone, row, why, needed))
        rows = own[own["target_sparsity"] > 0]
        if not rows.empty:
            sentences.append(_levels_of(kind.heading, rows, why, needed))
    return sentences


def failures(table: pd.DataFrame) -> list[str]:
    """A line that says which seeds have failed and where they count; none where none has."""
    failed = table[table["failed"] > 0]
    if failed.empty:
        return []
    found = ", ".join(
        f"{row['failed']} of {row['failed'] + row['seeds']} of {row['variant']}"
        for row in failed.to_dict("records")
    )
    return [
        f"Failed seeds: {found}. Returns and curves are of the others; in the difference from "
        f"dense and in P(better) each counts as the lowest of acting at random and all final "
        f"returns, and where dense itself has failed its seed is no pair."
    ]


def level(sparsity: float) -> str:
    """A sparsity as a percentage: 0.98 -> "98 %"."""
    return f"{100 * sparsity:g} %"


def _levels_of(kind: str, rows: pd.DataFrame, why: str, needed: str) -> Sentence:
    """What is shown of the levels above 0 of one kind of compression.

    They count in order: what lies behind one that is not shown to be not worse is not claimed.
    """
    rows = rows.sort_values("target_sparsity", kind="stable")
    in_order = not_worse_in_order(rows)
    beyond = rows[(rows["verdict"] == NOT_WORSE) & ~in_order]
    open_ = rows[rows["verdict"] != NOT_WORSE]
    if in_order.any():
        best = rows[in_order].iloc[-1]
        highest = level(best["target_sparsity"])
        claim = f"{kind}: not worse than dense up to {highest} sparsity"
        if not beyond.empty:
            claim += f" (by itself {_levels(beyond)} too, but {_levels(open_.iloc[:1])} is not)"
        return Sentence(claim, f"at {highest}, {_difference(best.to_dict())}")
    if not beyond.empty:
        first = open_.iloc[0]
        return Sentence(
            f"{kind}: {first['verdict']} at {level(first['target_sparsity'])} sparsity, so no "
            f"higher level is claimed",
            f"by itself {_levels(beyond)} {'is' if len(beyond) == 1 else 'are'} not worse, "
            f"{_difference(beyond.iloc[-1].to_dict())}",
        )
    if set(rows["verdict"]) == {NOT_FINISHED}:
        return Sentence(f"{kind}: not finished", _levels(rows))
    if set(rows["verdict"]) == {NO_DENSE}:
        return Sentence(f"{kind}: no dense network to compare with", why)
    if set(rows["verdict"]) == {TOO_FEW_SEEDS}:
        return Sentence(f"{kind}: too few seeds to say whether return is lost", needed)
    if set(rows["verdict"]) == {WORSE}:
        if len(rows) == 1:
            claim = f"{kind}: worse than dense at {_levels(rows)}, the only level tried"
            return Sentence(claim, _difference(rows.iloc[0].to_dict()))
        return Sentence(f"{kind}: worse than dense at every level tried", _levels(rows))
    parts = [
        f"{verdict} at {_levels(found)}"
        for verdict in (UNDECIDED, WORSE, TOO_FEW_SEEDS, NOT_FINISHED)
        if not (found := rows[rows["verdict"] == verdict]).empty
    ]
    return Sentence(
        f"{kind}: at no level is it shown that nothing is lost against dense", ", ".join(parts)
    )


def _seeds_to_plan_for(table: pd.DataFrame, margin: float) -> str:
    """How many seeds would show of what is undecided that nothing is lost; "" without."""
    found = []
    for row in table[table["verdict"] == UNDECIDED].to_dict("records"):
        interval = Estimate(row["difference"], row["difference_low"], row["difference_high"])
        if margin > 0 and row["pairs"] >= FEWEST_FOR_SPREAD:
            count = seeds_to_show_no_loss(interval, row["pairs"], margin)
            found.append((math.inf if count is None else _in_two_figures(count), row["variant"]))
    if not found:
        return ""
    if len(found) > _NAMED:
        counts = f"from {_seeds_of(min(found))} to {_seeds_of(max(found))}"
    else:
        counts = ", ".join(map(_seeds_of, found))
    return (
        f"Undecided: if it loses nothing and seeds spread as here, a variant is called "
        f'"not worse" in {100 * POWER:g} % of studies with so many seeds: {counts}.'
    )


def _seeds_of(found: tuple[float, str]) -> str:
    count, variant = found
    return f"{f'{count:,}' if math.isfinite(count) else f'more than {MOST_SEEDS:,}'} ({variant})"


def _in_two_figures(count: int) -> int:
    """Rounded up: 137 -> 140."""
    whole = 10 ** max(0, len(str(count)) - 2)
    return -(-count // whole) * whole


def _why_nothing_is_compared(table: pd.DataFrame) -> str:
    """Why there may be no dense return: not asked for, all of its seeds failed, or not yet."""
    dense = table[table["verdict"] == OF_DENSE]
    if dense.empty:
        return "sparsity.levels has no 0"
    return "dense failed in every seed" if dense["failed"].any() else "dense is not finished"


def _compared(table: pd.DataFrame) -> pd.DataFrame:
    """All variants but dense."""
    return table[table["verdict"] != OF_DENSE]


def _seeds_needed(table: pd.DataFrame) -> str:
    """What lacks where there are too few seeds."""
    dense_failed = (table.loc[table["verdict"] == OF_DENSE, "failed"] > 0).any()
    return "three are needed" + (" in which dense has not failed" if dense_failed else "")


def _one_variant(kind: str, row: Mapping[Any, Any], why: str, needed: str) -> Sentence:
    """What is shown of a single variant."""
    claims = {
        NOT_WORSE: f"{kind}: not worse than dense",
        WORSE: f"{kind}: worse than dense",
        UNDECIDED: f"{kind}: whether return is lost against dense is undecided",
    }
    if row["verdict"] == NO_DENSE:
        return Sentence(f"{kind}: no dense network to compare with", why)
    if row["verdict"] == NOT_FINISHED:
        return Sentence(f"{kind}: not finished", "nothing can be said yet")
    if row["verdict"] not in claims:
        return Sentence(f"{kind}: too few seeds to say whether return is lost", needed)
    return Sentence(claims[row["verdict"]], _difference(row))


def _difference(row: Mapping[Any, Any]) -> str:
    low, high = row["difference_low"], row["difference_high"]
    # As many decimals as give the interval's width two figures.
    width = high - low
    is_one_value = width <= 1e-9 * max(abs(low), abs(high))  # but for rounding
    decimals = 2 if is_one_value else max(0, 1 - math.floor(math.log10(width)))
    mean, low, high = (f"{value:+,.{decimals}f}" for value in (row["difference"], low, high))
    failed = f", of which {row['failed']} failed" if row["failed"] else ""
    return f"mean difference {mean} (95 % interval {low} to {high}, {row['pairs']} seeds{failed})"


def _levels(rows: pd.DataFrame) -> str:
    return ", ".join(level(sparsity) for sparsity in rows["target_sparsity"])
