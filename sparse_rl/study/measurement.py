"""Numbers that a population gives about itself, per member, read between chunks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparse_rl import population
from sparse_rl.machine import devices
from sparse_rl.population import Population
from sparse_rl.study import evaluation
from sparse_rl.study.preparation import Study

Metrics = dict[str, np.ndarray]
"""One value per member, also for those that only fill up the devices; nan: no value."""


def measure(study: Study, state: Population) -> Metrics:
    """What training says of itself since the last log."""
    members = state.members
    tally, failed, alive = devices.to_host(
        (members.tally, members.failed, population.alive_counts(state))
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        metrics = {name: total / tally.updates for name, total in tally.metrics.items()}
        metrics["train_return"] = tally.finished_return / tally.episodes
    metrics = {name: np.where(failed, np.nan, values) for name, values in metrics.items()}
    metrics["failed"] = np.where(failed, 1.0, np.nan)
    sizes = np.array([int(np.prod(layer.shape)) for layer in study.layers])
    metrics["nonzero"] = alive.sum(axis=1)
    metrics["sparsity"] = 1.0 - alive.sum(axis=1) / sizes.sum()
    for i, layer in enumerate(study.layers):
        metrics[f"density/{layer.name}"] = alive[:, i] / sizes[i]
    return metrics


def returns_of(evaluate: Callable[..., evaluation.Episodes], state: Population) -> Metrics:
    """Mean return and length of the evaluation's episodes; none of members that have failed."""
    episodes, failed = devices.to_host(
        (
            evaluate(*evaluation.evaluation_inputs(state.members), state.clock),
            state.members.failed,
        )
    )
    return {
        "return": np.where(failed, np.nan, episodes.returns.mean(axis=1)),
        "episode_length": np.where(failed, np.nan, episodes.lengths.mean(axis=1)),
    }


FINAL = ("return", "episode_length", "failed", "sparsity", "nonzero")


def of_the_end(metrics: Metrics) -> Metrics:
    """Those metrics that describe a finished arm, and not the training of it."""
    return {
        name: values
        for name, values in metrics.items()
        if name in FINAL or name.startswith("density/")
    }
