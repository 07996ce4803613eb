"""Numbers that a population gives about itself, per member, read between chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Int

from sparse_rl.agents.agent import Agent
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.members import Population, alive_counts
from sparse_rl.runs.layout import RETURN_SPREAD
from sparse_rl.runtime import devices
from sparse_rl.study import evaluation
from sparse_rl.study.failures import named
from sparse_rl.study.phases import Member
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


def returns_of(
    agent: Agent,
    evaluate: Callable[..., evaluation.Episodes],
    state: Cohorts,
    clock: Int[Array, ""],
) -> Metrics:
    """Mean return and length of the evaluation's episodes, and the standard deviation of a return.

    `clock` says which episodes.

    There is none of members that have failed; those whose return is not a finite number have
    failed, too.
    """
    episodes = devices.to_host(evaluate(*evaluation.evaluation_inputs(agent, state), clock))
    failed = state.read(lambda part: part.members.failed)
    failed = failed | ~np.isfinite(episodes.returns).all(axis=1)
    count = episodes.returns.shape[1]
    spread = episodes.returns.std(axis=1, ddof=1) if count > 1 else np.full(len(failed), np.nan)
    return {
        "failed": np.where(failed, 1.0, np.nan),
        "return": np.where(failed, np.nan, episodes.returns.mean(axis=1)),
        RETURN_SPREAD: np.where(failed, np.nan, spread),
        "episode_length": np.where(failed, np.nan, episodes.lengths.mean(axis=1)),
    }


def evaluated(
    study: Study,
    agent: Agent,
    evaluate: Callable[..., evaluation.Episodes],
    state: Cohorts,
    clock: Int[Array, ""],
    members: Sequence[Member],
    say: Callable[[str], None],
) -> Metrics:
    """`measure` and `returns_of`; `say` is told of members that fail only in the evaluation."""
    metrics, returns = measure(study, state), returns_of(agent, evaluate, state, clock)
    new = np.isnan(metrics["failed"]) & (returns["failed"] == 1)
    if new[: len(members)].any():
        who = named(members, np.flatnonzero(new[: len(members)]))
        say(
            f"failed in the evaluation at step {int(state.clock):,}: {who} (an observation, an "
            f"action or a reward is not finite); it counts as failed in all tables"
        )
    return metrics | returns


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
