"""Films in a run directory: which policies they show, and how the page shows them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from sparse_rl.arithmetics import ARITHMETICS
from sparse_rl.report.sentences import level
from sparse_rl.runs import layout
from sparse_rl.runs.run import Run
from sparse_rl.summary.final_table import (
    NOT_WORSE,
    OF_DENSE,
    TOO_FEW_SEEDS,
    UNDECIDED,
    WORSE,
    final_returns,
    not_worse_in_order,
)

_VERDICTS = {
    NOT_WORSE: "the sparsest variant that is not worse than dense",
    UNDECIDED: "the sparsest variant that is not shown to be worse; whether it is, is undecided",
    WORSE: "the sparsest variant; it is worse, as all are that are pruned",
    TOO_FEW_SEEDS: "the sparsest variant; so few seeds cannot say whether it is worse",
}


class Film(NamedTuple):
    """A film as the page shows it: its frames, its last frame for those who want no motion."""

    source: str
    still: str
    caption: str


def beside_dense(table: pd.DataFrame) -> pd.Series | None:
    """The row of the variant that is shown beside dense; None where there is no other.

    The sparsest that is not worse, in order, of equal ones that in int8. Where none is shown to be,
    the sparsest that is not shown to be worse; where all are worse, the sparsest. Variants that are
    not pruned count only where there are no others.
    """
    others = table[(table["verdict"] != OF_DENSE) & (table["seeds"] > 0)]
    if (others["target_sparsity"] > 0).any():
        others = others[others["target_sparsity"] > 0]
    if others.empty:
        return None
    rank = np.where(not_worse_in_order(others), 0, np.where(others["verdict"] == WORSE, 2, 1))
    ranks = pd.DataFrame(
        {
            "verdict": rank,
            "density": 1 - others["target_sparsity"].to_numpy(),
            "arithmetic": [_size(arithmetic) for arithmetic in others["arithmetic"]],
        },
        index=others.index,
    )
    return others.loc[ranks.sort_values(list(ranks.columns)).index[0]]


def dense_name(table: pd.DataFrame) -> str | None:
    """The name of the dense network; None where the table has none."""
    names = table.loc[table["verdict"] == OF_DENSE, "variant"]
    return None if names.empty else str(names.iloc[0])


def shown_variants(table: pd.DataFrame) -> list[str]:
    """The variants that are shown side by side, dense first, of those with a seed that learned."""
    other, dense = beside_dense(table), dense_name(table[table["seeds"] > 0])
    found = [] if dense is None else [dense]
    return found if other is None else [*found, str(other["variant"])]


def median_seed(metrics: pd.DataFrame, variants: list[str]) -> int:
    """The seed whose final return is the median of the last of `variants` (the lower of two).

    Only seeds that have failed in none of them count.

    Raises:
        ValueError: there is no such seed.
    """
    returns = final_returns(metrics)
    common = set.intersection(*(set(returns[variant].index) for variant in variants))
    healthy = returns[variants[-1]][sorted(common)].sort_values(kind="stable")
    if healthy.empty:
        raise ValueError(f"every seed failed in at least one of the variants {', '.join(variants)}")
    return int(healthy.index[(len(healthy) - 1) // 2])


def own_film(run: Run) -> tuple[list[Film], str]:
    """The film that the run has made of itself; and, where there is none, why, if that is known."""
    film, about = run.path / layout.FILM, run.path / layout.ABOUT_FILM
    if not about.is_file():
        return [], ""
    try:
        told = json.loads(about.read_text())
        if "arms" in told:  # as runs of format 1 have it
            told["variants"] = [{**one, "variant": one["arm"]} for one in told["arms"]]
        if "reason" in told:
            return [], f"No film: {told['reason']}."
        return ([read_film(film, _caption(told))] if film.is_file() else []), ""
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{about}: damaged: {' '.join(str(error).split())}") from None


def exported_films(run: Run, table: pd.DataFrame) -> list[Film]:
    """artifacts/VARIANT/film.gif of dense and of the one beside it, where both have one."""
    other, dense = beside_dense(table), dense_name(table)
    if other is None or dense is None:
        return []
    sparse = f"{other['variant']}: {level(other['target_sparsity'])} sparse, {other['verdict']}"
    films = []
    for variant, caption in ((dense, "dense"), (str(other["variant"]), sparse)):
        file = layout.artifacts(run.path, variant) / layout.FILM
        if not file.is_file():
            return []
        films.append(read_film(file, f"{caption} (the exported actor)"))
    return films


def _size(arithmetic: str) -> int:
    smallest_first = ARITHMETICS[::-1]
    known = arithmetic in smallest_first
    return smallest_first.index(arithmetic) if known else len(smallest_first)


def read_film(file: Path, caption: str) -> Film:
    """A film and its last frame from a file. Raises ValueError where it is no picture."""
    data = file.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as film:
            film.seek(getattr(film, "n_frames", 1) - 1)
            still = io.BytesIO()
            film.convert("RGB").quantize(128).save(still, "PNG", optimize=True)
    except OSError:
        raise ValueError(f"{file}: not a picture") from None
    return Film(_address("gif", data), _address("png", still.getvalue()), caption)


def _address(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _caption(told: Mapping[str, Any]) -> str:
    """Who plays, which seed and why that one, and what it got in its final evaluation."""
    dense, *others = told["variants"]
    shown = others[-1] if others else dense
    seed = f"seed {told['seed']}"
    if told["seeds"] > 2:
        seed += f", the median of {told['seeds']} seeds by the return of {_called(shown)}"
    returns = ", ".join(f"{_called(one)} {one['return']:,.4g}" for one in told["variants"])
    return (
        f"{'; '.join(map(_who, told['variants']))}. Both are {seed}, and start alike. "
        if others
        else f"{_alone(dense)}, {seed}. "
    ) + f"Final evaluation of this seed: {returns}; the films show one episode."


def _called(shown: Mapping[str, Any]) -> str:
    return "dense" if shown["verdict"] == OF_DENSE else str(shown["variant"])


def _alone(shown: Mapping[str, Any]) -> str:
    """Who plays where no other does; without a dense return it is the variant."""
    if shown["verdict"] == OF_DENSE:
        return "Dense"
    return f"{shown['variant']}, {level(shown['sparsity'])} sparse"


def _who(shown: Mapping[str, Any]) -> str:
    if shown["verdict"] == OF_DENSE:
        return "Left: dense"
    if shown["sparsity"] == 0:
        return f"right: {shown['variant']}, not pruned ({shown['verdict']})"
    verdict = _VERDICTS.get(shown["verdict"], shown["verdict"])
    return f"right: {shown['variant']}, {level(shown['sparsity'])} sparse, {verdict}"
