"""What candidates are worth beside the originals: intervals, differences, verdicts, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from sparse_rl.summary.estimates import (
    FEWEST_SEEDS,
    Estimate,
    paired_difference,
    return_estimate,
)
from sparse_rl.summary.final_table import FAILED, NOT_WORSE, OF_DENSE, share_of_gain, verdict

ORIGINAL = "original"
UNDISTURBED = "as it is"


class Size(NamedTuple):
    """What a candidate costs: medians over its policies, and one policy's time in C."""

    weights: float
    bytes: float
    microseconds: float


def margin_of(original: Float[np.ndarray, "policies episodes"], random: float) -> float:
    """5 % of the originals' mean return above that of acting at random; 0 where it is not above."""
    return share_of_gain(float(original.mean()), random)


def table_of(
    returns: Mapping[str, Float[np.ndarray, "policies episodes"]],
    sizes: Mapping[str, Size],
    margin: float,
    families: Mapping[str, str],
) -> pd.DataFrame:
    """One row per candidate, the original first, then from the smallest file to the largest.

    With three policies or more every policy is one number, its mean return, and pairs are policies:
    what is said of a candidate that was not chosen for it holds for policies trained anew. With
    fewer, every start is one number, the mean of the policies' returns from it, and pairs are
    starts: it holds for these policies alone.

    Columns: candidate; family (of candidates that differ in their level alone; empty for the
    original); weights, bytes, microseconds; return, low, high (interquartile mean and its
    bootstrap interval over policies, or mean and Student's over starts); difference,
    difference_low, difference_high (mean of the pairs, Student's interval); failed (episodes with a
    number that was not finite, which make the rest of the row nan); verdict.
    """
    original = returns[ORIGINAL]
    rows = []
    for name, own in returns.items():
        worth = estimate(own)
        row: dict[str, object] = {
            "candidate": name,
            "family": families.get(name, ""),
            **sizes[name]._asdict(),
        }
        row |= {"return": worth.value, "low": worth.low, "high": worth.high}
        if name == ORIGINAL:
            row |= dict.fromkeys(("difference", "difference_low", "difference_high"), np.nan)
            row |= {"failed": int((~np.isfinite(own)).sum()), "verdict": OF_DENSE}
        else:
            row |= difference(own, original, margin)
        rows.append(row)
    found = pd.DataFrame(rows)
    place = (found["candidate"] != ORIGINAL).astype(int)
    order = found.assign(place=place).sort_values(["place", "bytes", "candidate"]).index
    return found.loc[order].reset_index(drop=True)


def difference(
    own: Float[np.ndarray, "policies episodes"],
    original: Float[np.ndarray, "policies episodes"],
    margin: float,
) -> dict[str, float | str]:
    """The columns of `table_of` from the difference on."""
    gap = paired_difference(pairs_of(own), pairs_of(original))
    failed = int((~np.isfinite(own)).sum())
    return {
        "difference": gap.value,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "failed": failed,
        "verdict": FAILED if failed else verdict(gap.low, gap.high, margin),
    }


def beside(
    own: Float[np.ndarray, "policies episodes"],
    original: Float[np.ndarray, "policies episodes"],
    margin: float,
) -> dict[str, float | str]:
    """One candidate and the original: original, return (as in `table_of`), and `difference`."""
    worth = {"original": estimate(original).value, "return": estimate(own).value}
    return {**worth, **difference(own, original, margin)}


def estimate(returns: Float[np.ndarray, "policies episodes"]) -> Estimate:
    """Over policies where there are three or more, else over starts; nan where one failed."""
    if not np.isfinite(returns).all():
        return Estimate(np.nan, np.nan, np.nan)
    values = pairs_of(returns)
    if len(returns) >= FEWEST_SEEDS:
        return return_estimate(values)
    return paired_difference(values, np.zeros_like(values))  # the mean, and Student's interval


def pairs_of(returns: Float[np.ndarray, "policies episodes"]) -> Float[np.ndarray, " pairs"]:
    """One number for each policy, or with fewer than three policies one for each start.

    Two policies that meet the same start are one pair: what is hard for one may be for the other.
    """
    return returns.mean(axis=1 if len(returns) >= FEWEST_SEEDS else 0)


def unit_of(policies: int) -> str:
    """What intervals are over, in words."""
    if policies >= FEWEST_SEEDS:
        return f"{policies} policies"
    return "episodes of one policy" if policies == 1 else f"starts, means of {policies} policies"


def smallest(table: pd.DataFrame) -> str | None:
    """The candidate with the smallest file that is not worse than the original; None without.

    Of files of one size, as a network has that is rounded with and without learning, the one with
    the higher return: times are measured anew at every start, and differ from one to the next.
    """
    found = table[table["verdict"] == NOT_WORSE]
    if found.empty:
        return None
    order = found.sort_values(["bytes", "difference", "candidate"], ascending=[True, False, True])
    return str(order.iloc[0]["candidate"])
