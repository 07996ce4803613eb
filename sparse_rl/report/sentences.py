"""What the statistics say, in words that claim no more than they hold."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from sparse_rl.report.statistics import (
    NOT_WORSE,
    TOO_FEW_SEEDS,
    UNDECIDED,
    WORSE,
    Margin,
    highest_not_worse,
)

KINDS = {
    "float32": "Pruned",
    "int8": "Pruned with int8 weights and activations",
    "int8w": "Pruned with int8 weights",
}


def criterion(margin: Margin) -> str:
    """The criterion of "not worse" with its numbers."""
    return (
        f'An arm is called "not worse" than dense if the 95 % interval of its paired '
        f"difference lies wholly above -{margin.value:,.4g} ({margin.origin})."
    )


class Sentence(NamedTuple):
    """A claim, and the numbers or exceptions that belong to it."""

    claim: str
    detail: str

    def __str__(self) -> str:
        return f"{self.claim}; {self.detail}."


def no_loss(table: pd.DataFrame) -> list[Sentence]:
    """How far each kind of compression in the table goes without loss: one sentence each."""
    sentences = []
    for quantization, kind in KINDS.items():
        rows = table[(table["quantization"] == quantization) & (table["asked_sparsity"] > 0)]
        if rows.empty:
            continue
        best = highest_not_worse(table, quantization)
        if best is None:
            sentences.append(_nothing_shown(kind, rows))
            continue
        below = rows[
            (rows["asked_sparsity"] < best["asked_sparsity"]) & (rows["verdict"] != NOT_WORSE)
        ]
        exceptions = "" if below.empty else f" (though it is not shown for {_levels(below)})"
        sentences.append(
            Sentence(
                f"{kind}: not worse than dense up to {level(best['asked_sparsity'])} sparsity"
                f"{exceptions}",
                f"there the mean return differs by {best['difference']:+,.4g} (95 % interval "
                f"{best['difference_low']:+,.4g} to {best['difference_high']:+,.4g}, "
                f"{best['pairs']} seeds)",
            )
        )
    return sentences


def without_loss(table: pd.DataFrame) -> str:
    """The same in a few words: "95 %, 90 % (int8)"; "-" where nothing is shown."""
    parts = []
    for quantization in KINDS:
        best = highest_not_worse(table, quantization)
        if best is not None:
            kind = "" if quantization == "float32" else f" ({quantization})"
            parts.append(level(best["asked_sparsity"]) + kind)
    return ", ".join(parts) or "-"


def level(sparsity: float) -> str:
    """A sparsity as a percentage: 0.98 -> "98 %"."""
    return f"{100 * sparsity:g} %"


def _nothing_shown(kind: str, rows: pd.DataFrame) -> Sentence:
    verdicts = set(rows["verdict"])
    if verdicts == {TOO_FEW_SEEDS}:
        return Sentence(f"{kind}: too few seeds to say whether return is lost", "three are needed")
    if verdicts == {WORSE}:
        return Sentence(f"{kind}: worse than dense", f"at every level tried ({_levels(rows)})")
    undecided = _levels(rows[rows["verdict"] == UNDECIDED])
    return Sentence(
        f"{kind}: no level is shown to be not worse than dense",
        f"undecided: {undecided or 'none'}",
    )


def _levels(rows: pd.DataFrame) -> str:
    return ", ".join(level(sparsity) for sparsity in rows["asked_sparsity"])
