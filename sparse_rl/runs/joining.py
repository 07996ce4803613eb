"""Several runs of one experiment, each with seeds of its own, as one run with all their seeds."""

from __future__ import annotations

import dataclasses
import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparse_rl.config.error import show
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.runs import layout
from sparse_rl.runs.metrics import COLUMNS, Row
from sparse_rl.runs.record import Span
from sparse_rl.runs.run import Run
from sparse_rl.runs.writer import RunWriter


def join(paths: Sequence[Path], out: Path) -> Run:
    """Writes the joined run into `out`, a new directory, and returns it; the others stay.

    Every number is the one that its own run recorded. Policies are joined where all runs have them.
    Raises ValueError, one line, where a run is damaged or not finished, where the runs are not of
    one experiment, or their seeds leave a gap or occur twice.
    """
    if (out / layout.METRICS).exists():  # before hundreds of policies are read
        raise ValueError(f"{out}: already holds a run; allowed: a new directory")
    runs = sorted((_finished(path) for path in paths), key=lambda run: run.config.first_seed)
    _check_seeds(runs)
    for run in runs[1:]:
        _check_alike(runs[0], run)
    first = runs[0]
    policies = {
        variant: [run.policies(variant) for run in runs]
        for variant in first.variants
        if all(run.has_policies(variant) for run in runs)
    }
    config = dataclasses.replace(first.config, seeds=sum(run.config.seeds for run in runs), out="")
    words = shlex.join(str(run.path) for run in runs)
    writer = RunWriter(out)
    writer.claim()
    try:
        writer.begin(
            to_yaml(config),
            "".join(f"joined: {run.path}\n{run.versions}" for run in runs)
            + f"command: python -m sparse_rl.join {words} --out {shlex.quote(str(out))}\n",
            first.network(),
            _phases(runs),
            first.variants.values(),
        )
        for run in runs:
            writer.append(_rows(run))
        for variant, every in policies.items():
            writer.save_policies(
                variant,
                _stacked([one.params for one in every]),
                _stacked([one.masks for one in every]),
            )
        joined = Run(out)
        writer.write_text(layout.SUMMARY, joined.summary_text())
    finally:
        writer.close()
    return joined


def _finished(path: Path) -> Run:
    run = Run(path)
    if run.format == 1:
        raise ValueError(f"{path}: a run of format 1; allowed: format {layout.FORMAT}")
    if len(run.finished) < len(run.variants):
        raise ValueError(
            f"{path}: not finished, {len(run.finished)} of {len(run.variants)} variants are; "
            f"allowed: finished runs"
        )
    return run


def _check_seeds(runs: Sequence[Run]) -> None:
    for before, run in itertools.pairwise(runs):
        needed, seeds = before.config.seed_numbers.stop, run.config.seed_numbers
        if seeds.start != needed:
            raise ValueError(
                f"{run.path}: first_seed: found {seeds.start}; allowed: {needed}, which follows "
                f"the seeds of {before.path}"
            )


def _check_alike(first: Run, run: Run) -> None:
    wanted, found = _values(first.config), _values(run.config)
    for key in wanted | found:
        if found.get(key) != wanted.get(key):
            raise ValueError(
                f"{run.path}: {key}: found {show(found.get(key))}; allowed: "
                f"{show(wanted.get(key))}, as in {first.path}"
            )
    split, needed = run.config.population.split, first.config.population.split
    if split != needed:  # the same results, in other phases
        raise ValueError(
            f"{run.path}: population.split: found {split}; allowed: {needed}, as in {first.path}"
        )
    spans, wanted_spans = (_without_members(each) for each in (run, first))
    if spans != wanted_spans:  # as of versions that plan them differently
        raise ValueError(f"{run.path}: {layout.RECORD} has other phases than {first.path}")
    if run.network() != first.network():
        raise ValueError(f"{run.path}: {layout.NETWORK} is not that of {first.path}")
    if run.variants != first.variants:
        raise ValueError(f"{run.path}: {layout.VARIANTS} is not that of {first.path}")


def _values(config: Config) -> dict[str, Any]:
    """All settings of the experiment but its seeds, by dotted key.

    Nor whose dense members it went on with, which have seeds of their own too.
    """
    start = dataclasses.replace(config.start, experiment="")
    same = dataclasses.replace(config, seeds=1, first_seed=0, start=start)
    return dict(_leaves(same.experiment(), ""))


def _leaves(values: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield before + key, value


def _without_members(run: Run) -> list[Span]:
    return [dataclasses.replace(span, members=0) for span in run.record.phases]


def _phases(runs: Sequence[Run]) -> Iterator[Span]:
    """The first run's phases, with the members of all."""
    for spans in zip(*(run.record.phases for run in runs), strict=True):
        yield dataclasses.replace(spans[0], members=sum(span.members for span in spans))


def _rows(run: Run) -> Iterator[Row]:
    for values in run.metrics[list(COLUMNS)].itertuples(index=False):
        yield Row(*values)


def _stacked(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays by name, the seeds of all parts one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
