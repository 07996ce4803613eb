"""Where levels of sparsity lie on an axis, and which of them the network is too small for."""

from __future__ import annotations

import math

import pandas as pd

TOO_MANY = 2.0
"""Times as many weights left as asked for, from which on a level counts as out of reach."""


def reached(table: pd.DataFrame) -> dict[float, float]:
    """Each level asked for and the sparsity at which it is shown: as asked for, if that was met.

    What cannot be reached is shown where it ended, so that identical networks stand in one place.
    """
    shown: dict[float, float] = {}
    for level, rows in table.groupby("target_sparsity"):
        asked, found = float(str(level)), float(rows["achieved_sparsity"].mean())
        missed = math.isfinite(found) and 1 - found > TOO_MANY * (1 - asked)
        shown[asked] = found if missed else asked
    return shown


def labels(table: pd.DataFrame) -> dict[float, str]:
    """The sparsities at which something is shown, each with the levels that were asked for."""
    found: dict[float, list[str]] = {}
    for asked, place in reached(table).items():
        found.setdefault(place, []).append(f"{100 * asked:g} %")
    return {place: "\n".join(names) for place, names in found.items()}


def notices(table: pd.DataFrame) -> list[str]:
    """One line for every sparsity that stands for levels out of reach."""
    lines = []
    places: dict[float, list[float]] = {}
    for asked, place in reached(table).items():
        places.setdefault(place, []).append(asked)
    for place, levels in places.items():
        beyond = [level for level in levels if level != place]
        if beyond:
            names = " and ".join(f"{100 * level:g} %" for level in beyond)
            word = "they are the same network" if len(levels) > 1 else "it"
            left = table.loc[table["target_sparsity"] == beyond[0], "nonzero"].mean()
            weights = f" ({left:,.0f} weights)" if math.isfinite(left) else ""
            lines.append(
                f"Out of reach of so small a network: {names}; {word}"
                f"{', at' if len(levels) > 1 else ' ended at'} {100 * place:.4g} %{weights}."
            )
    return lines
