"""Runs a notebook from top to bottom, with other values for its parameters."""

from pathlib import Path
from typing import Any

import nbclient
import nbformat

FOLDER = Path(__file__).parents[2] / "notebooks"


def run(name: str, directory: Path, parameters: dict[str, Any]) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in `directory`; raises where a cell does.

    A cell with `parameters` follows the one tagged so, and may name only what that one sets.
    """
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    tagged = [i for i, cell in enumerate(notebook.cells) if "parameters" in tags(cell)]
    if len(tagged) != 1:
        raise ValueError(f"{name}: found {len(tagged)} cells tagged parameters; needed is one")
    known: dict[str, Any] = {}
    exec(notebook.cells[tagged[0]].source, known)
    if unknown := parameters.keys() - known.keys():
        raise ValueError(f"{name}: has no parameters {', '.join(sorted(unknown))}")
    lines = [f"{key} = {value!r}" for key, value in parameters.items()]
    notebook.cells.insert(tagged[0] + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": directory}}
    )
    executed: nbformat.NotebookNode = client.execute()
    return executed


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def text(notebook: nbformat.NotebookNode) -> str:
    """Everything that the cells printed or showed as text."""
    parts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            parts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


def images(notebook: nbformat.NotebookNode) -> int:
    """How many pictures the notebook shows."""
    kinds = ("image/png", "image/gif")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum(any(kind in output.get("data", {}) for kind in kinds) for output in outputs)
