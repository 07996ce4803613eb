"""The notebooks: run from top to bottom, and stored with what they showed.

    python -m benchmarks.notebooks [01_quickstart ...] [--model model.zip]

Whoever opens a notebook without running it, on a page or in an editor, then sees its tables and
figures. They are run with the parameters that stand in them, in a folder of their own;
04_compress needs a policy of Stable-Baselines3.
"""

import argparse
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
MODEL = FOLDER.parent / "tests" / "importers" / "data" / "sac.zip"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--model", type=Path, default=MODEL, help="what 04_compress reads")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"no notebook {unknown[0]}; there are {', '.join(NAMES)}")
    for name in options.names or NAMES:
        with tempfile.TemporaryDirectory() as directory:
            shutil.copy(options.model, Path(directory) / "model.zip")
            store(name, run(name, Path(directory), {}))
        print(f"{name}: {(FOLDER / f'{name}.ipynb').stat().st_size / 1e3:.0f} kB", flush=True)


def run(name: str, directory: Path, parameters: dict[str, Any]) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in `directory`; raises where a cell does.

    A cell with `parameters`, if there are any, follows the one tagged so, and may name only what
    that one sets.
    """
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    tagged = [i for i, cell in enumerate(notebook.cells) if "parameters" in tags(cell)]
    if len(tagged) != 1:
        raise ValueError(f"{name}: found {len(tagged)} cells tagged parameters; needed is one")
    known: dict[str, Any] = {}
    exec(notebook.cells[tagged[0]].source, known)
    if unknown := parameters.keys() - known.keys():
        raise ValueError(f"{name}: has no parameters {', '.join(sorted(unknown))}")
    if parameters:
        lines = [f"{key} = {value!r}" for key, value in parameters.items()]
        notebook.cells.insert(tagged[0] + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    client = nbclient.NotebookClient(
        notebook,
        timeout=1_800,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": directory}},
    )
    executed: nbformat.NotebookNode = client.execute()
    return executed


def store(name: str, executed: nbformat.NotebookNode) -> None:
    """Writes the notebook with the outputs as they are seen, without times of day."""
    for cell in executed.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            cell.outputs = _as_seen(cell.outputs)
    executed.metadata.language_info = {"name": "python"}
    target = FOLDER / f"{name}.ipynb"
    unfinished = target.with_suffix(".unfinished")
    nbformat.write(executed, unfinished)
    os.replace(unfinished, target)


def _as_seen(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Without displays that show nothing; texts that follow each other are one."""
    seen: list[nbformat.NotebookNode] = []
    for output in outputs:
        data = output.get("data", {})
        page = data.get("text/html")
        if page is not None and not re.sub(r"<[^>]*>|\s", "", page):
            continue
        if output.output_type == "stream":
            output.text = _last_writing(output.text)
            if seen and seen[-1].output_type == "stream" and seen[-1].name == output.name:
                seen[-1].text += output.text
                continue
        elif "text/plain" in data:
            data["text/plain"] = re.sub(r"\x1b\[[\d;]*m", "", data["text/plain"])  # colours
        seen.append(output)
    return seen


def _last_writing(text: str) -> str:
    """What a terminal shows of it: of a line that was written over, the last writing."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(lines)


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


if __name__ == "__main__":
    main()
