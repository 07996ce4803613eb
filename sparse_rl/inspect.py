"""python -m sparse_rl.inspect ACTOR ...: what is in a packed actor. It needs no JAX."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import card
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.facts import facts, numbers
from sparse_rl.artifact.graph import Dense, Graph, layer_shapes
from sparse_rl.artifact.packed import PackedActor, from_bytes
from sparse_rl.config.ending import ending

COLUMNS = ("layer", "weights", "alive", "zero", "numbers", "products")


class Inspected(NamedTuple):
    """A packed actor as it was read, its bytes, and what the card beside it says."""

    path: Path
    data: bytes
    actor: PackedActor
    card: dict[str, Any] | None

    @property
    def format(self) -> int:
        return self.data[3]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def stack_bytes(self) -> int:
        """Of the arrays that the generated C keeps on its stack."""
        return generate(self.actor.graph).stack_bytes


def read(path: Path) -> Inspected:
    """Reads a packed actor.

    Raises ValueError, one line that names the file, where it is none; OSError where it cannot be
    read.
    """
    data = path.read_bytes()
    try:
        packed = from_bytes(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Inspected(path, data, packed, card.beside(path))


def values(found: Inspected) -> dict[str, Any]:
    """What it is, for programs: numbers are numbers, and shares are from 0 to 1."""
    graph, about = found.actor.graph, found.actor.provenance
    every = _layers(graph)
    size, alive = (sum(layer[key] for layer in every) for key in ("weights", "alive"))
    width = graph.output_shape[0] if graph.output_shape else 1
    known: dict[str, Any] = {
        "file": str(found.path),
        "bytes": len(found.data),
        "format": found.format,
        "SHA-256": found.digest,
        "environment": about.environment or None,
        "variant": about.variant or None,
        "seed": about.seed,
        "return": about.measured_return,
        "configuration": about.config_digest or None,
        "reads": {"dtype": str(graph.observation.dtype), "shape": list(graph.observation.shape)},
        "gives": {"discrete": isinstance(graph.output, ArgMax), "size": width},
        "weights": size,
        "alive": alive,
        "zero": 1 - alive / size if size else 0.0,
        "stack_bytes": found.stack_bytes,
        "card": found.card,
    }
    return {key: value for key, value in known.items() if value is not None} | {"layers": every}


def _layers(graph: Graph) -> list[dict[str, Any]]:
    rows = []
    for layer, before, after in layer_shapes(graph):
        kernel = layer.weights
        kind = "dense" if isinstance(layer, Dense) else "convolution"
        places = int(np.prod(after[:-1], dtype=int))
        row = (
            f"{kind} {_shape(before)} -> {_shape(after)}",
            int(kernel.values.size),
            int(kernel.nonzero),
            float(1 - kernel.density),
            numbers(layer),
            int(kernel.nonzero * places),
        )
        rows.append(dict(zip(COLUMNS, row, strict=True)))
    return rows


def text(found: Inspected) -> str:
    """A line for each fact, those of the card behind the others, then a table of the layers."""
    graph, about = found.actor.graph, found.actor.provenance
    known = facts(graph, about, "c")
    plain = {
        "file": str(found.path),
        "size": f"{len(found.data):,} bytes, format {found.format}",
        "SHA-256": found.digest,
        **{key: value for key, value in known.items() if key not in ("runs as", "layers")},
    }
    if about.config_digest:
        plain["configuration"] = about.config_digest
    plain["stack in C"] = f"{found.stack_bytes:,} bytes of arrays"
    width = max(len(key) for key in plain)
    lines = [f"{key:<{width}}  {value}" for key, value in plain.items()]
    if found.card is not None:
        said = found.card["in_words"]
        lines += [f"{'card' if not i else '':<{width}}  {line}" for i, line in enumerate(said)]
    rows = [COLUMNS, *(tuple(map(_cell, layer.values())) for layer in _layers(graph))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    right = (False, True, True, True, False, True)
    lines.append("")
    for row in rows:
        cells = [
            cell.rjust(size) if flush else cell.ljust(size)
            for cell, size, flush in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{100 * value:.1f} %"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, as all commands do."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)

    def print_help(self, file: object = None) -> None:
        """Argparse's own hides that the disk is full."""
        print(self.format_help(), end="")


def parser() -> argparse.ArgumentParser:
    """Of the command's words; `config.program`, which the others use, comes with the training."""
    made = _Parser("sparse-rl inspect", description="Says what packed actors (.srl) are.")
    made.add_argument("actor", nargs="+", type=Path, help="a packed actor (.srl)")
    made.add_argument("--json", action="store_true", help="as JSON, an object for each actor")
    return made


def run(arguments: Sequence[str] | None = None) -> None:
    """The command. Status 2, and one line, for what is no packed actor."""
    ending(lambda: main(sys.argv[1:] if arguments is None else arguments))


def main(arguments: Sequence[str]) -> None:
    """Prints what the words name. Raises ValueError, one line."""
    given = parser().parse_args(arguments)
    try:
        every = [read(path) for path in given.actor]
    except OSError as error:
        raise ValueError(f"{error.filename}: cannot be read: {error.strerror}") from None
    if given.json:
        print(json.dumps([values(found) for found in every], indent=2))
    else:
        print("\n\n".join(map(text, every)))


if __name__ == "__main__":
    run()
