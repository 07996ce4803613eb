"""Films in a run directory: which policies they show, and how the page shows them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from PIL import Image

from sparse_rl.report.run_directory import Run
from sparse_rl.report.sentences import level
from sparse_rl.report.statistics import NOT_WORSE, TOO_FEW_SEEDS, UNDECIDED, WORSE, final_returns

FILM, ABOUT = "film.gif", "film.json"
"""The run's own film, and what is in it or why there is none."""
_VERDICTS = {
    NOT_WORSE: "the sparsest arm that is not worse than dense",
    UNDECIDED: "the sparsest arm that is not shown to be worse; whether it is, is undecided",
    WORSE: "the sparsest arm; it is worse, as all are that are pruned",
    TOO_FEW_SEEDS: "the sparsest arm; so few seeds cannot say whether it is worse",
}
_ARITHMETIC = ("int8", "int8w", "float32")


class Film(NamedTuple):
    """A film as the page shows it: its frames, its last frame for those who want no motion."""

    source: str
    still: str
    caption: str


def beside_dense(table: pd.DataFrame) -> pd.Series | None:
    """The row of the arm that is shown beside dense; None where there is no other arm.

    The sparsest that is not worse, of equal ones that in int8. Where none is shown to be, the
    sparsest that is not shown to be worse; where all are worse, the sparsest. Arms that are not
    pruned count only where there are no others.
    """
    others = table[(table["arm"] != "0") & (table["seeds"] > 0)]
    if (others["asked_sparsity"] > 0).any():
        others = others[others["asked_sparsity"] > 0]
    if others.empty:
        return None
    order = {NOT_WORSE: 0, WORSE: 2}
    ranks = pd.DataFrame(
        {
            "verdict": [order.get(verdict, 1) for verdict in others["verdict"]],
            "density": 1 - others["asked_sparsity"].to_numpy(),
            "arithmetic": [_ARITHMETIC.index(kind) for kind in others["quantization"]],
        },
        index=others.index,
    )
    return others.loc[ranks.sort_values(list(ranks.columns)).index[0]]


def median_seed(metrics: pd.DataFrame, arms: list[str]) -> int:
    """The seed whose final return is the median of the last of `arms` (the lower of two).

    Only seeds that have failed in none of them count.

    Raises:
        ValueError: there is no such seed.
    """
    returns = final_returns(metrics)
    common = set.intersection(*(set(returns[arm].index) for arm in arms))
    healthy = returns[arms[-1]][sorted(common)].sort_values(kind="stable")
    if healthy.empty:
        raise ValueError(f"no seed is sound in all of the arms {', '.join(arms)}")
    return int(healthy.index[(len(healthy) - 1) // 2])


def own_film(run: Run) -> tuple[list[Film], str]:
    """The film that the run has made of itself; and, where there is none, why, if that is known."""
    film, about = run.path / FILM, run.path / ABOUT
    if not about.is_file():
        return [], ""
    try:
        told = json.loads(about.read_text())
        if "reason" in told:
            return [], f"No film: {told['reason']}."
        return ([_read(film, _caption(told))] if film.is_file() else []), ""
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{about}: damaged: {' '.join(str(error).split())}") from None


def exported_films(run: Run, table: pd.DataFrame) -> list[Film]:
    """artifacts/<arm>/film.gif of dense and of the arm beside it, where both have one."""
    other = beside_dense(table)
    if other is None:
        return []
    sparse = f"{other['arm']}: {level(other['asked_sparsity'])} sparse, {other['verdict']}"
    films = []
    for arm, caption in (("0", "dense"), (str(other["arm"]), sparse)):
        file = run.path / "artifacts" / arm / FILM
        if not file.is_file():
            return []
        films.append(_read(file, f"{caption} (the exported actor)"))
    return films


def _read(file: Path, caption: str) -> Film:
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
    dense, *others = told["arms"]
    shown = others[-1] if others else dense
    seed = f"seed {told['seed']}"
    if told["seeds"] > 2:
        seed += f", the median of {told['seeds']} seeds by the return of {_called(shown)}"
    returns = ", ".join(f"{_called(arm)} {arm['return']:,.4g}" for arm in told["arms"])
    return (
        f"{'; '.join(map(_who, told['arms']))}. Both are {seed}, and start alike. "
        if others
        else f"Dense, {seed}. "
    ) + f"Final evaluation of this seed: {returns}; the films show one episode."


def _called(arm: Mapping[str, Any]) -> str:
    return "dense" if arm["arm"] == "0" else str(arm["arm"])


def _who(arm: Mapping[str, Any]) -> str:
    if arm["arm"] == "0":
        return "Left: dense"
    if arm["sparsity"] == 0:
        return f"right: {arm['arm']}, not pruned ({arm['verdict']})"
    verdict = _VERDICTS.get(arm["verdict"], arm["verdict"])
    return f"right: {arm['arm']}, {level(arm['sparsity'])} sparse, {verdict}"
