"""Writing an actor in the formats that were asked for, each one checked against the graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import packed, reference, rust_source, source_files
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, generate
from sparse_rl.artifact.card import Card
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import CompilationError, find_compiler
from sparse_rl.artifact.formats import CProgram, Format
from sparse_rl.artifact.graph import Graph, layers
from sparse_rl.artifact.packages import PACKAGES
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.runtime import Actor
from sparse_rl.artifact.rust_source import running

TARGETS = {target.name: target for target in (HOST, MICROCONTROLLER)}
_KNOWN = 1000
"""Observations from which known answers are taken, evenly."""


@dataclass(frozen=True, eq=False)
class Delivery:
    """An actor ready to be written, the graph that it is of, and what is checked with."""

    original: Graph
    actor: PackedActor
    observations: NDArray
    card: Card | None = None

    @cached_property
    def expected(self) -> NDArray:
        """The graph's actions on the observations, by which every format is checked."""
        return reference.act(self.original, self.observations)


@dataclass(frozen=True)
class Written:
    """One format on disk and how far its actions are from the graph's."""

    format: Format
    path: Path
    size: int
    difference: float | None
    """Largest difference of an action, or share of other choices; None where it was not run."""
    not_run: str | None = None
    """Why it was not run; None where it was."""


def prepare(
    graph: Graph, provenance: Provenance, observations: NDArray, card: Card | None = None
) -> Delivery:
    """Compact a lowered policy, which is to be checked on the observations [n, *shape]."""
    return Delivery(graph, PackedActor(compact(graph), provenance), observations, card)


def refusal(form: Format, graph: Graph) -> str | None:
    """Why a format has not what this network needs; None where it has."""
    if form == "rust":
        return rust_source.refusal(graph)
    if form == "qonnx":
        from sparse_rl.artifact.onnx import qonnx_model

        return qonnx_model.refusal(graph)
    return None


def write(
    delivery: Delivery, form: Format, directory: Path, program: CProgram | None = None
) -> Written:
    """Write one format into `directory` and run it on the delivery's observations.

    Raises ValueError for Rust or QONNX of a network that they do not have.
    """
    if problem := refusal(form, delivery.actor.graph):
        raise ValueError(f"--format: found {form}, and {problem}")
    directory.mkdir(parents=True, exist_ok=True)
    if form in _FILES:
        run = _FILES[form](delivery, directory)
    else:
        run = _sources(delivery, form, directory / form, program or CProgram())
    difference = None if run.actions is None else _difference(delivery, run.actions)
    return Written(form, run.path, run.size, difference, run.not_run)


class _Run(NamedTuple):
    """A format on disk, its bytes, and what it did; None where it could not be run."""

    path: Path
    size: int
    actions: NDArray | None
    not_run: str | None = None


def _packed(delivery: Delivery, directory: Path) -> _Run:
    path = directory / "actor.srl"
    size = packed.save(path, delivery.actor)
    return _Run(path, size, Actor(packed.load(path), "numpy")(delivery.observations))


def _onnx(delivery: Delivery, directory: Path) -> _Run:
    from sparse_rl.artifact.onnx import model as onnx_model

    path, actor = directory / "actor.onnx", delivery.actor
    size = onnx_model.save(path, actor.graph, actor.provenance, delivery.card)
    return _Run(path, size, _run_onnx(path, delivery.observations))


def _qonnx(delivery: Delivery, directory: Path) -> _Run:
    import onnx

    from sparse_rl.artifact.onnx import qonnx_model

    path, actor = directory / "actor_qonnx.onnx", delivery.actor
    size = qonnx_model.save(path, actor.graph, actor.provenance, delivery.card)
    return _Run(path, size, qonnx_model.act(onnx.load(path), delivery.observations))


_FILES = {"packed": _packed, "onnx": _onnx, "qonnx": _qonnx}
"""Formats that are one file; all others are a folder of source code."""


def _sources(delivery: Delivery, form: Format, directory: Path, program: CProgram) -> _Run:
    """C, a package of it, or Rust; run where there is a compiler for it that does not fail."""
    actor, actions, not_run = delivery.actor, None, None
    title, notes, known = _title(actor), _notes(delivery), _known(delivery)
    if form == "rust":
        files = rust_source.crate(actor.graph, title, notes, known)
        if running.find_cargo() is None:
            not_run = "no Rust compiler found"
        else:
            try:
                actions = running.act(files, actor.graph, delivery.observations)
            except CompilationError as error:
                not_run = str(error)
    else:
        target = TARGETS[program.target_of(form)]
        files = generate(actor.graph, target, title, notes, known).files
        if form in PACKAGES:
            files = PACKAGES[form](files, title)
        if find_compiler() is None:
            not_run = "no C compiler found"
        else:
            try:
                actions = Actor(actor, "c", target)(delivery.observations)
            except CompilationError:
                not_run = "the C compiler failed"  # how, the costs say once for all formats
    files = source_files.with_prefix(files, program.prefix)
    source_files.write(files, directory)
    size = sum(len(text.encode()) for text in files.values())
    return _Run(directory, size, actions, not_run)


def _known(delivery: Delivery) -> tuple[NDArray, NDArray]:
    """Observations and their actions."""
    seen = delivery.observations[:_KNOWN]
    return seen, reference.act(delivery.actor.graph, seen)


def _notes(delivery: Delivery) -> tuple[str, ...]:
    """What the source code says of its actor: its worth, its bounds, its weights."""
    graph, about = delivery.actor.graph, delivery.actor.provenance
    if delivery.card is not None:
        worth = delivery.card.lines()
    elif about.measured_return is not None:
        worth = [f"Return {about.measured_return:.6g} when trained."]
    else:
        worth = []
    bounds = ""
    if not isinstance(graph.output, ArgMax):
        pairs = zip(graph.output.low, graph.output.high, strict=True)
        bounds = "Actions from " + ", ".join(f"{low:g} to {high:g}" for low, high in pairs) + "."
    weights = f"{sum(layer.weights.nonzero for layer in layers(graph.operations)):,} weights."
    return tuple(source_files.one_line(note) for note in (*worth, bounds, weights))


def _title(actor: PackedActor) -> str:
    about = actor.provenance
    return source_files.one_line(f"{about.environment}, variant {about.variant}, seed {about.seed}")


def _difference(delivery: Delivery, actions: NDArray) -> float:
    if isinstance(delivery.original.output, ArgMax):
        return float(np.mean(actions != delivery.expected))
    return float(np.abs(actions - delivery.expected).max(initial=0))


def _run_onnx(path: Path, observations: NDArray) -> NDArray:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batches = [
        session.run(None, {"observation": observations[start : start + 256]})[0]
        for start in range(0, len(observations), 256)
    ]
    return np.concatenate(batches)
