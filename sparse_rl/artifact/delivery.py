"""Writing an actor in the formats that were asked for, each one checked against the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import packed, reference, rust_source, source_files
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, generate
from sparse_rl.artifact.card import Card
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.graph import Graph, layers
from sparse_rl.artifact.packages import PACKAGES
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.runtime import Actor
from sparse_rl.artifact.rust_source import running

TARGETS = {target.name: target for target in (HOST, MICROCONTROLLER)}
_KNOWN = 1000
"""Observations from which known answers are taken, evenly."""
Target = Literal["host", "microcontroller"]
Format = Literal["packed", "c", "cmake", "arduino", "esp-idf", "rust", "onnx", "qonnx"]
_ON_A_BOARD = ("arduino", "esp-idf")


@dataclass(frozen=True, eq=False)
class Delivery:
    """An actor ready to be written, the graph that it is of, and what is checked with."""

    original: Graph
    actor: PackedActor
    observations: NDArray
    card: Card | None = None


@dataclass(frozen=True)
class CProgram:
    """For which machine C is generated, and with what its names begin.

    Without a target it is a microcontroller for the formats that are made for one, else a computer.
    """

    target: Target | None = None
    prefix: str = "srl"

    def target_of(self, kind: str) -> Target:
        return self.target or ("microcontroller" if kind in _ON_A_BOARD else "host")


@dataclass(frozen=True)
class Written:
    """One format on disk and how far its actions are from the graph's."""

    format: Format
    path: Path
    size: int
    difference: float | None
    """Largest difference of an action, or share of other choices; None where it was not run."""


def installed(formats: Sequence[Format]) -> list[Format]:
    """The formats without those whose packages are missing, which it says.

    Raises ValueError where none is left.
    """
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    left = [form for form in dict.fromkeys(formats) if not (missing and "onnx" in form)]
    if left == list(dict.fromkeys(formats)):
        return left
    reason = f"{' and '.join(missing)} not installed; pip install 'sparse_rl[onnx]'"
    if not left:
        raise ValueError(f"--format: found {', '.join(formats)}: {reason}")
    print(f"{', '.join(form for form in formats if 'onnx' in form)} left out: {reason}")
    return left


def prepare(
    graph: Graph, provenance: Provenance, observations: NDArray, card: Card | None = None
) -> Delivery:
    """Compact a lowered policy, which is to be checked on the observations [n, *shape]."""
    return Delivery(graph, PackedActor(compact(graph), provenance), observations, card)


def write(
    delivery: Delivery, form: Format, directory: Path, program: CProgram | None = None
) -> Written:
    """Write one format into `directory` and run it on the delivery's observations.

    Raises ValueError for Rust or QONNX of a network that they do not have, and for a prefix that C
    does not take.
    """
    actor, observations = delivery.actor, delivery.observations
    if form == "rust" and (problem := rust_source.refusal(actor.graph)):
        raise ValueError(f"--format: found {form}, and {problem}")
    if form == "qonnx":
        import onnx

        from sparse_rl.artifact import qonnx_model

        if problem := qonnx_model.refusal(actor.graph):
            raise ValueError(f"--format: found {form}, and {problem}")
    directory.mkdir(parents=True, exist_ok=True)
    expected = reference.act(delivery.original, observations)
    actions: NDArray | None
    if form == "packed":
        path = directory / "actor.srl"
        size = packed.save(path, actor)
        actions = Actor(packed.load(path), "numpy")(observations)
    elif form == "onnx":
        from sparse_rl.artifact import onnx_model

        path = directory / "actor.onnx"
        size = onnx_model.save(path, actor.graph, actor.provenance, delivery.card)
        actions = _run_onnx(path, observations)
    elif form == "qonnx":
        path = directory / "actor_qonnx.onnx"
        size = qonnx_model.save(path, actor.graph, actor.provenance, delivery.card)
        actions = qonnx_model.act(onnx.load(path), observations)
    else:
        path = directory / form
        program = program or CProgram()
        files, actions = _sources(delivery, form, program)
        source_files.write(source_files.with_prefix(files, program.prefix), path)
        size = sum(len(text) for text in files.values())
    difference = None if actions is None else _difference(delivery.original, actions, expected)
    return Written(form, path, size, difference)


def _sources(
    delivery: Delivery, form: Format, program: CProgram
) -> tuple[source_files.Files, NDArray | None]:
    """C, a package of it, or Rust; with its actions where there is a compiler for it."""
    actor = delivery.actor
    title, notes, known = _title(actor), _notes(delivery), _known(delivery)
    if form == "rust":
        files = rust_source.crate(actor.graph, title, notes, known)
        if running.find_cargo() is None:
            return files, None
        return files, running.act(files, actor.graph, delivery.observations)
    target = program.target_of(form)
    files = generate(actor.graph, TARGETS[target], title, notes, known).files
    if form in PACKAGES:
        files = PACKAGES[form](files, title)
    if find_compiler() is None:
        return files, None
    return files, Actor(actor, "c", TARGETS[target])(delivery.observations)


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


def _difference(graph: Graph, actions: NDArray, expected: NDArray) -> float:
    if isinstance(graph.output, ArgMax):
        return float(np.mean(actions != expected))
    return float(np.abs(actions - expected).max(initial=0))


def _run_onnx(path: Path, observations: NDArray) -> NDArray:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batches = [
        session.run(None, {"observation": observations[start : start + 256]})[0]
        for start in range(0, len(observations), 256)
    ]
    return np.concatenate(batches)
