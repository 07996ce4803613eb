"""Numbers that training gives about itself, per member, read between chunks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.members import Population, alive_counts
from sparse_rl.runs.layout import RETURN_SPREAD
from sparse_rl.study.preparation import Study
from sparse_rl.study.progress.evaluation import Metrics


def measure(study: Study, state: Cohorts) -> Metrics:
    """What training says of itself since the last log."""

    def of_one(part: Population) -> Any:
        alive = {network: alive_counts(part, network) for network in study.layers}
        return part.members.statistics, part.members.failed, alive

    statistics, failed, alive = state.read(of_one)
    with np.errstate(invalid="ignore", divide="ignore"):
        metrics = {name: total / statistics.updates for name, total in statistics.metrics.items()}
        metrics["train_return"] = statistics.finished_return / statistics.episodes
    metrics = {name: np.where(failed, np.nan, values) for name, values in metrics.items()}
    metrics["failed"] = np.where(failed, 1.0, np.nan)
    sizes = np.array([math.prod(layer.shape) for layer in study.layers["policy"]])
    policy = alive["policy"]
    metrics["nonzero"] = policy.sum(axis=1)
    metrics["sparsity"] = 1.0 - policy.sum(axis=1) / sizes.sum()
    for i, layer in enumerate(study.layers["policy"]):
        metrics[f"density/{layer.name}"] = policy[:, i] / sizes[i]
    for name in alive.keys() - {"policy"}:  # critics, or the one value network of other agents
        twins = study.agent(study.phases[0]).prunable[name] or 1
        size = twins * sum(math.prod(layer.shape) for layer in study.layers[name])
        metrics["critic_sparsity"] = 1.0 - alive[name].sum(axis=1) / size
    return metrics


def losses(metrics: Metrics) -> Metrics:
    """Those metrics that curves have between two evaluations: not each layer's density."""
    return {
        name: values
        for name, values in metrics.items()
        if not name.startswith("density/") and name not in ("nonzero", "critic_sparsity")
    }


FINAL = (
    "return",
    RETURN_SPREAD,
    "episode_length",
    "failed",
    "sparsity",
    "nonzero",
    "critic_sparsity",
)


def final_metrics(metrics: Metrics) -> Metrics:
    """Those metrics that describe a finished arm, and not the training of it."""
    return {
        name: values
        for name, values in metrics.items()
        if name in FINAL or name.startswith("density/")
    }
