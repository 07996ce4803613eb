"""The page: studies and their modules in one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparse_rl import atomic_file
from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import wasm
from sparse_rl.artifact.facts import numbers
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.gzipped import gzipped
from sparse_rl.play.levels import Level, Study
from sparse_rl.report.templates import render

SCRIPTS = (
    *("random", "pendulum", "cartpole", "breakout", "worlds"),
    *("pen", "actor", "episode", "lanes", "study", "page"),
)
"""In the order in which they need each other."""
_HERE = Path(__file__).parent
SCRIPT = _HERE / "script"
_BYLINE = (
    "The actors as they are delivered, compiled to WebAssembly, act in this page; nothing is "
    "loaded from anywhere. Written by sparse_rl."
)
_SEVERAL = "Small actors, played live"
Compile = Callable[[PackedActor], bytes]


def write(studies: Sequence[Study], out: Path) -> None:
    """Writes the page; creates its folder.

    Raises ValueError where an actor cannot be compiled, OSError.
    """
    text = page(studies, wasm.compiled)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.write_text(out, text)


def page(studies: Sequence[Study], compiled: Compile) -> str:
    """The page's HTML; `compiled` makes an actor's WebAssembly."""
    every = [_study(study, compiled) for study in studies]
    data = {"places": wasm.PLACES, "studies": every}
    return render(
        "play.html.j2",
        _HERE,
        title=_SEVERAL if len(studies) > 1 else f"{every[0]['task']}, played live",
        byline=_BYLINE,
        refresh=0,
        studies=every,
        # In a script element only "</" and "<!--" would end what is meant as data.
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        script="\n".join((SCRIPT / f"{name}.js").read_text() for name in SCRIPTS),
    )


def _study(study: Study, compiled: Compile) -> dict[str, Any]:
    return {
        **asdict(study.world),
        "environment": study.environment,
        "origin": study.origin,
        "first": study.first,
        "levels": [described(level, compiled) for level in study.levels],
    }


def described(level: Level, compiled: Compile) -> dict[str, Any]:
    """A level as the script reads it."""
    graph = level.actor.graph
    return {
        "name": level.name,
        "size": level.size,
        "weights": level.weights,
        "numbers": _numbers(level),
        "recorded": level.recorded,
        "verdict": level.verdict,
        "inputs": math.prod(graph.observation.shape),
        "outputs": graph.output_shape[0],
        "discrete": isinstance(graph.output, ArgMax),
        "bytes": graph.observation.dtype != "float32",
        # Half of the module of a sparse actor is code, which compresses well.
        "module": base64.b64encode(gzipped(compiled(level.actor))).decode(),
    }


def _numbers(level: Level) -> str:
    """How its layers multiply, each way once."""
    every = [numbers(layer) for layer in layers(level.actor.graph.operations)]
    return " and ".join(dict.fromkeys(every))
