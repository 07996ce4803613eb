"""The card of a trained policy: what its study found it to be worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sparse_rl.artifact.card import Card, Interval, Mean
from sparse_rl.runs.recorded_return import RecordedReturn
from sparse_rl.summary.final_table import default_margin

if TYPE_CHECKING:
    from sparse_rl.runs.run import Run


def card_of(
    run: Run, variant: str, seed: int, best: bool, fresh: Float[np.ndarray, " episodes"]
) -> Card:
    """The card of one policy, chosen as the `best` of its variant or because it was asked for.

    `fresh` are returns of episodes that took no part in the choice. Raises ValueError where the
    run has no such variant or seed.
    """
    recorded = run.recorded_return(variant, seed)
    row: Mapping[Any, Any] = run.summary().set_index("variant").loc[variant].to_dict()
    failed, count = int(row["failed"]), int(row["seeds"] + row["failed"])
    seeds = f"{count} seeds" + (f", of which {failed} failed" if failed else "")
    return Card(
        environment=run.config.environment,
        variant=variant,
        policy=f"seed {seed}",
        chosen="the only one" if count == 1 else f"{'the best ' * best}of {seeds}",
        own=_mean(recorded),
        fresh=Mean.of(fresh),
        policies="the only seed" if count == 1 else f"all {seeds}",
        alike=Interval(*(float(row[f"return_{part}"]) for part in ("iqm", "low", "high"))),
        reference="dense",
        difference=Interval(
            *(float(row[key]) for key in ("difference", "difference_low", "difference_high"))
        ),
        fresh_difference=None,
        margin=default_margin(run.metrics).value,
        verdict=str(row["verdict"]),
        made_by={"configuration": run.config.digest(), "sparse_rl": version("sparse_rl")},
    )


def _mean(recorded: RecordedReturn) -> Mean:
    error = recorded.spread / math.sqrt(max(recorded.episodes, 1))
    return Mean(recorded.mean, error, recorded.episodes)
