"""Values that do not fit each other, which the parts cannot see by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sparse_rl.config import options
from sparse_rl.config.error import show
from sparse_rl.config.interfaces import Problem

if TYPE_CHECKING:
    from sparse_rl.config.experiment import Config


def problems(config: Config) -> Iterator[Problem]:
    """Keys, and why their values do not fit others."""
    yield from _start(config)
    yield from _lengths(config)
    methods = dict(config.sparsity.of_methods).values() if config.sparsity.prunes else ()
    for part in (config.agent, config.network, *methods):
        yield from part.problems(config)
    yield from _levels("sparsity.levels", config.sparsity.levels)
    yield from _levels("sparsity.critic_levels", config.sparsity.critic_levels)
    for key, names in (
        ("sparsity.methods", config.sparsity.methods),
        ("quantization.modes", config.quantization.modes),
        ("imports", config.imports),
    ):
        if len(set(names)) < len(names):
            yield key, f"found {show(list(names))}; allowed: each once"
    yield from _circumstances(config)


def _start(config: Config) -> Iterator[Problem]:
    """Before what follows from the number of new steps: where there are none that is the reason."""
    if config.training.steps <= config.start.step:
        yield (
            "training.steps",
            f"found {config.training.steps}; allowed: more than {config.start.step}, the step at "
            f"which the members of {config.start.run} go on",
        )


def _lengths(config: Config) -> Iterator[Problem]:
    """Lengths of time that cannot be counted, or that are no whole number of updates."""
    training = config.training
    if training.steps > 2**30:
        yield "training.steps", f"found {training.steps}; allowed: at most 2**30, {2**30}"
    if config.quantize_end > options.LARGEST:
        yield (
            "quantization.fraction",
            f"found {config.quantization.fraction:g}, which ends at step {config.quantize_end}; "
            f"allowed: an end before step 2**31, {2**31}",
        )
    if config.quantization.modes and config.quantize_end == training.steps:
        yield (
            "quantization.fraction",
            f"found {config.quantization.fraction:g}, less than one update; "
            f"allowed: more, or no quantization.modes",
        )
    yield from config.partial_updates("training.steps", training.steps)
    if bool(config.start.run) != bool(config.start.step):
        yield (
            "start.run",
            f"found {show(config.start.run)} with start.step {config.start.step}; allowed: both "
            f"or neither; the run's directory in an experiment's place fills in both",
        )
    yield from config.partial_updates("start.step", config.start.step)
    if config.sparsity.prunes:
        yield from config.partial_updates("sparsity.interval", config.sparsity.interval)
    yield from config.partial_updates("evaluation.every", config.evaluation.every)
    yield from config.partial_updates("log.every", config.log.every)


def _levels(key: str, levels: Sequence[float]) -> Iterator[Problem]:
    if 0.0 not in levels:
        yield (
            key,
            f"found {show(list(levels))}; allowed: a list with 0, the dense network "
            f"that all others are compared with",
        )
    names = [f"{level:g}" for level in levels]
    if len(set(names)) < len(names) or "1" in names:
        yield (
            key,
            f"found {show(list(levels))}; allowed: levels below 1 that differ in "
            f"their first six digits, by which arms are named",
        )


def _circumstances(config: Config) -> Iterator[Problem]:
    """What changes no result: seeds, processes and places."""
    distributed = config.distributed
    if config.first_seed + config.seeds - 1 > options.LARGEST:
        yield (
            "first_seed",
            f"found {config.first_seed} with {config.seeds} seeds; allowed: seeds below 2**31",
        )
    if distributed.index >= distributed.processes:
        yield (
            "distributed.index",
            f"found {distributed.index}; allowed: less than distributed.processes, "
            f"{distributed.processes}",
        )
    if distributed.processes > 1 and not distributed.coordinator:
        yield "distributed.coordinator", "found none for several processes; allowed: HOST:PORT"
    for key in ("compilation_cache", "out", "resume"):
        path = getattr(config, key)
        if "\0" in path:
            yield key, f"found {show(path)}; allowed: a path, without null characters"
