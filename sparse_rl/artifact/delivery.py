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
from sparse_rl.artifact import fixed_point, packed, reference
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, Source, generate
from sparse_rl.artifact.calibration import with_static_scales
from sparse_rl.artifact.card import Card
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.fixed_point import FixedPoint, to_fixed_point
from sparse_rl.artifact.graph import Graph, layers
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.runtime import Actor
from sparse_rl.artifact.weights import DynamicScale

TARGETS = {target.name: target for target in (HOST, MICROCONTROLLER)}
_KNOWN = 1000
"""Observations from which known answers are taken, evenly."""
Target = Literal["host", "microcontroller"]
Format = Literal["packed", "c", "onnx", "packed-integer", "c-integer", "onnx-integer"]


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
    """For which machine C is generated, and with what its names begin."""

    target: Target = "host"
    prefix: str = "srl"


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
    left = [form for form in dict.fromkeys(formats) if not (missing and form.startswith("onnx"))]
    if left == list(dict.fromkeys(formats)):
        return left
    reason = f"{' and '.join(missing)} not installed; pip install 'sparse_rl[onnx]'"
    if not left:
        raise ValueError(f"--format: found {', '.join(formats)}: {reason}")
    print(f"onnx is left out: {reason}")
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

    Raises ValueError for an integer format of an actor whose activations are not int8, and for a
    prefix that C does not take.
    """
    kind, _, arithmetic = form.partition("-")
    chosen = delivery.integer if arithmetic else delivery.actor
    if chosen is None:
        problem = fixed_point.refusal(delivery.original)
        raise ValueError(
            f"--format: found {form}, which needs an arm with int8 activations"
            if problem is None
            else f"--format: found {form}, and {problem}; allowed: packed, c, onnx"
        )
    directory.mkdir(parents=True, exist_ok=True)
    suffix = f"-{arithmetic}" if arithmetic else ""
    observations = delivery.observations
    expected = reference.act(delivery.original, observations)
    if kind == "packed":
        path = directory / f"actor{suffix}.srl"
        size = packed.save(path, chosen)
        actions = Actor(packed.load(path), "numpy")(observations)
    elif kind == "c":
        path = directory / f"c{suffix}"
        program = program or CProgram()
        source = c_source(delivery, bool(arithmetic), program.target).with_prefix(program.prefix)
        source.write(path)
        size = sum(len(text) for text in source.files.values())
        if find_compiler() is None:
            return Written(form, path, size, None)
        actions = Actor(chosen, "c", TARGETS[program.target])(observations)
    else:
        from sparse_rl.artifact import onnx_model

        path = directory / f"actor{suffix}.onnx"
        card = delivery.card if chosen is delivery.actor else None
        size = onnx_model.save(path, chosen.graph, chosen.provenance, card)
        actions = _run_onnx(path, observations)
    return Written(form, path, size, _difference(delivery.original, actions, expected))


def c_source(delivery: Delivery, integer: bool, target: str) -> Source:
    """The C of an actor, its header says where it is from, with known answers."""
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
    return generate(
        program,
        TARGETS[target],
        title=f"{about.environment}, variant {about.variant}, seed {about.seed}",
        notes=(*worth, bounds, weights),
        known=(seen, acts),
    )


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
