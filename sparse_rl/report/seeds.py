"""What single seeds got: in the final evaluation, and in the last one of an unfinished run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from sparse_rl.runs.layout import PREFILL
from sparse_rl.summary.estimates import interquartile_mean
from sparse_rl.summary.final_table import Margin, dense_variant, ended_seeds, final_returns
from sparse_rl.summary.kinds import variants
from sparse_rl.units import in_figures


def seed_table(metrics: pd.DataFrame, margin: Margin) -> dict[str, Any]:
    """A row for each variant and a column for each seed, for the page.

    A cell is marked as lost where the seed has failed, or is lower than dense of the same seed by
    more than the margin; it is a dash where its training is not over.
    """
    returns, dense = final_returns(metrics), dense_variant(metrics)
    ended = ended_seeds(metrics)
    seeds = sorted(int(seed) for seed in metrics["seed"].unique())
    beside = returns.get(dense)
    rows = []
    for variant, own in returns.items():
        cells = []
        for seed in seeds:
            if seed not in ended[variant]:
                cells.append({"text": "-", "lost": False})
                continue
            value = float(own.get(seed, math.nan))
            allowed = math.nan if beside is None else float(beside.get(seed, math.nan))
            lost = not math.isfinite(value) or value < allowed - margin.value
            cells.append({"text": _figures(value), "lost": lost})
        rows.append({"variant": variant, "cells": cells})
    caption = (
        "Colored: failed, or lower than dense of the same seed by more than the margin, "
        f"{margin.value:,.4g}."
        if math.isfinite(margin.value)
        else "Colored: failed."
    )
    return {"seeds": seeds, "rows": rows, "caption": caption}


def so_far(metrics: pd.DataFrame) -> list[dict[str, str]]:
    """Each variant at its last evaluation: return and worst seed, sparsity, and who has failed."""
    evaluated = metrics[metrics["phase"] != PREFILL]
    rows = []
    for variant in variants(evaluated):
        own = evaluated[evaluated["variant"] == variant]
        returns = own[own["metric"] == "return"]
        if returns.empty:
            continue
        step = int(returns["step"].max())
        values = returns[returns["step"] == step].groupby("seed")["value"].last()
        finite = values[np.isfinite(values)].to_numpy(float)
        sparsity = own[(own["metric"] == "sparsity") & (own["step"] == step)]["value"].mean()
        seeds = own["seed"].nunique()
        rows.append(
            {
                "variant": variant,
                "return": _figures(float(interquartile_mean(finite)) if len(finite) else math.nan),
                "lowest": _figures(float(finite.min()) if len(finite) else math.nan),
                "sparsity": f"{100 * float(sparsity):.2f} %" if math.isfinite(sparsity) else "-",
                "seeds": f"{seeds}" if len(finite) == seeds else f"{len(finite)} of {seeds}",
                "step": f"{step:,}",
            }
        )
    return rows


def _figures(value: float) -> str:
    return in_figures(value) if math.isfinite(value) else "failed"
