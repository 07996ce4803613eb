"""python -m sparse_rl.inspect ACTOR ...: what is in a packed actor. It needs no JAX."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from sparse_rl.artifact import card
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.facts import facts, numbers
from sparse_rl.artifact.graph import Dense, Graph, layer_shapes
from sparse_rl.artifact.packed import from_bytes
from sparse_rl.config.output import forgiving_output

COLUMNS = ("layer", "weights", "alive", "zero", "numbers", "products")


def described(path: Path) -> dict[str, Any]:
    """What a packed actor is: size, digest, where it is from, its layers.

    Raises ValueError, one line that names the file, where it is none; OSError where it cannot be
    read.
    """
    data = path.read_bytes()
    try:
        packed = from_bytes(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    graph, about = packed.graph, packed.provenance
    known = facts(graph, about, "c")
    known.pop("runs as")
    known.pop("layers")
    found: dict[str, Any] = {
        "file": str(path),
        "size": f"{len(data):,} bytes, format {data[3]}",
        "SHA-256": hashlib.sha256(data).hexdigest(),
        **known,
    }
    if about.config_digest:
        found["configuration"] = about.config_digest
    found["stack in C"] = f"{generate(graph).stack_bytes:,} bytes of arrays"
    if (worth := card.beside(path)) is not None:
        found["card"] = worth
    found["layers"] = [dict(zip(COLUMNS, row, strict=True)) for row in _layers(graph)]
    return found


def _layers(graph: Graph) -> list[tuple[Any, ...]]:
    rows = []
    for layer, before, after in layer_shapes(graph):
        kernel = layer.weights
        kind = "dense" if isinstance(layer, Dense) else "convolution"
        shapes = f"{_shape(before)} -> {_shape(after)}"
        places = int(np.prod(after[:-1], dtype=int))
        zero = f"{100 * (1 - kernel.density):.1f} %"
        rows.append(
            (f"{kind} {shapes}", kernel.values.size, kernel.nonzero, zero, numbers(layer),
             kernel.nonzero * places)
        )  # fmt: skip
    return rows


def text(found: dict[str, Any]) -> str:
    """A line for each fact, those of the card behind the others, then a table of the layers."""
    plain = {key: value for key, value in found.items() if key not in ("layers", "card")}
    width = max(len(key) for key in plain)
    lines = [f"{key:<{width}}  {value}" for key, value in plain.items()]
    if "card" in found:
        said = found["card"]["in_words"]
        lines += [f"{'card' if not i else '':<{width}}  {line}" for i, line in enumerate(said)]
    rows = [COLUMNS, *(tuple(map(_cell, layer.values())) for layer in found["layers"])]
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
    return f"{value:,}" if isinstance(value, int) else str(value)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, as all commands do."""

    def error(self, message: str) -> NoReturn:
        _refuse(message)


def parser() -> argparse.ArgumentParser:
    """Of the command's words; `config.program`, which the others use, comes with the training."""
    made = _Parser("sparse-rl inspect", description="Says what packed actors (.srl) are.")
    made.add_argument("actor", nargs="+", type=Path, help="a packed actor (.srl)")
    made.add_argument("--json", action="store_true", help="as JSON, an object for each actor")
    return made


def run(arguments: Sequence[str] | None = None) -> None:
    """The command. Status 2, and one line, for what is no packed actor."""
    given = parser().parse_args(arguments)
    try:
        every = [described(path) for path in given.actor]
    except OSError as error:
        _refuse(f"{error.filename}: cannot be read: {error.strerror}")
    except ValueError as error:
        _refuse(str(error))
    with forgiving_output():
        if given.json:
            print(json.dumps(every, indent=2))
        else:
            print("\n\n".join(map(text, every)))


def _refuse(line: str) -> NoReturn:
    print(f"error: {' '.join(line.split())}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    run()
