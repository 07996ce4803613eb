"""Writing an actor in the formats that were asked for, each one checked against the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import fixed_point, packed, reference, rust_source, source_files
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, Source, generate
from sparse_rl.artifact.calibration import with_static_scales
from sparse_rl.artifact.card import Card
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.fixed_point import FixedPoint, to_fixed_point
from sparse_rl.artifact.graph import Graph, layers
from sparse_rl.artifact.packages import PACKAGES
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.runtime import Actor
from sparse_rl.artifact.rust_source import running
from sparse_rl.artifact.weights import DynamicScale

TARGETS = {target.name: target for target in (HOST, MICROCONTROLLER)}
_KNOWN = 1000
"""Observations from which known answers are taken, evenly."""
Target = Literal["host", "microcontroller"]
Format = Literal[
    "packed",
    "c",
    "cmake",
    "arduino",
    "esp-idf",
    "rust",
    "onnx",
    "qonnx",
    "packed-integer",
    "c-integer",
    "cmake-integer",
    "arduino-integer",
    "esp-idf-integer",
    "rust-integer",
    "onnx-integer",
]
_ON_A_BOARD = ("arduino", "esp-idf")


@dataclass(frozen=True, eq=False)
class Delivery:
    """An actor ready to be written: as trained, and for int8 arms with integer arithmetic only.

    The card is of the actor. An integer one that is made of it is another network, whose return
    nobody has measured: it has no card, and no return.
    """

    original: Graph
    actor: PackedActor
    integer: PackedActor | None
    observations: NDArray
    card: Card | None = None

    @property
    def fixed_point(self) -> FixedPoint:
        assert self.integer is not None and self.integer.unit is not None
        return fixed_point.with_unit(self.integer.graph, self.integer.unit)


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
    """Compact a lowered policy; int8 arms are also calibrated on the observations [n, *shape]."""
    actor = PackedActor(compact(graph), provenance)
    integer = None
    dynamic = all(isinstance(layer.input_scale, DynamicScale) for layer in layers(graph.operations))
    if dynamic and fixed_point.refusal(graph) is None:
        # Scales come from the whole graph: with fixed scales more units can go than before.
        static = compact(with_static_scales(graph, observations))
        unit = to_fixed_point(static, observations).unit
        integer = PackedActor(static, replace(provenance, measured_return=None), unit)
    return Delivery(graph, actor, integer, observations, card)


def write(
    delivery: Delivery, form: Format, directory: Path, program: CProgram | None = None
) -> Written:
    """Write one format into `directory` and run it on the delivery's observations.

    Raises ValueError for an integer format of an actor whose activations are not int8, for Rust or
    QONNX of a network that they do not have, and for a prefix that C does not take.
    """
    kind = form.removesuffix("-integer")
    integer = kind != form
    chosen = delivery.integer if integer else delivery.actor
    if chosen is None:
        problem = fixed_point.refusal(delivery.original)
        raise ValueError(
            f"--format: found {form}, which needs an arm with int8 activations"
            if problem is None
            else f"--format: found {form}, and {problem}; allowed: formats without -integer"
        )
    if kind == "rust" and (problem := rust_source.refusal(chosen.graph)):
        raise ValueError(f"--format: found {form}, and {problem}")
    if kind == "qonnx":
        import onnx

        from sparse_rl.artifact import qonnx_model

        if problem := qonnx_model.refusal(chosen.graph):
            raise ValueError(f"--format: found {form}, and {problem}")
    directory.mkdir(parents=True, exist_ok=True)
    suffix = "-integer" if integer else ""
    observations = delivery.observations
    expected = reference.act(delivery.original, observations)
    actions: NDArray | None
    if kind == "packed":
        path = directory / f"actor{suffix}.srl"
        size = packed.save(path, chosen)
        actions = Actor(packed.load(path), "numpy")(observations)
    elif kind == "onnx":
        from sparse_rl.artifact import onnx_model

        path = directory / f"actor{suffix}.onnx"
        card = delivery.card if chosen is delivery.actor else None
        size = onnx_model.save(path, chosen.graph, chosen.provenance, card)
        actions = _run_onnx(path, observations)
    elif kind == "qonnx":
        path = directory / "actor_qonnx.onnx"
        size = qonnx_model.save(path, chosen.graph, chosen.provenance, delivery.card)
        actions = qonnx_model.act(onnx.load(path), observations)
    else:
        path = directory / form
        program = program or CProgram()
        files, actions = _sources(delivery, integer, kind, program)
        source_files.write(source_files.with_prefix(files, program.prefix), path)
        size = sum(len(text) for text in files.values())
    difference = None if actions is None else _difference(delivery.original, actions, expected)
    return Written(form, path, size, difference)


def _sources(
    delivery: Delivery, integer: bool, kind: str, program: CProgram
) -> tuple[source_files.Files, NDArray | None]:
    """C, a package of it, or Rust; with its actions where there is a compiler for it."""
    chosen = delivery.integer if integer else delivery.actor
    assert chosen is not None
    if kind == "rust":
        files = rust_source.crate(*_told(delivery, integer))
        if running.find_cargo() is None:
            return files, None
        return files, running.act(files, chosen.graph, delivery.observations)
    target = program.target_of(kind)
    files = c_source(delivery, integer, target).files
    if kind in PACKAGES:
        files = PACKAGES[kind](files, _title(chosen))
    if find_compiler() is None:
        return files, None
    return files, Actor(chosen, "c", TARGETS[target])(delivery.observations)


def c_source(delivery: Delivery, integer: bool, target: str) -> Source:
    """The C of an actor, its header says where it is from, with known answers."""
    program, title, notes, known = _told(delivery, integer)
    return generate(program, TARGETS[target], title=title, notes=notes, known=known)


def _told(
    delivery: Delivery, integer: bool
) -> tuple[Graph | FixedPoint, str, tuple[str, ...], tuple[NDArray, NDArray]]:
    """What source code is generated from: a program, a title, notes, and known answers."""
    chosen = delivery.integer if integer else delivery.actor
    assert chosen is not None
    about, seen = chosen.provenance, delivery.observations[:_KNOWN]
    graph = chosen.graph
    if delivery.card is not None and chosen is delivery.actor:
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
    program = delivery.fixed_point if integer else graph
    acts = fixed_point.act(program, seen) if integer else reference.act(graph, seen)  # type: ignore[arg-type]
    notes = tuple(source_files.one_line(note) for note in (*worth, bounds, weights))
    return program, _title(chosen), notes, (seen, acts)


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
