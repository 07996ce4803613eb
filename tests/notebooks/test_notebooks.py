"""Each notebook, run from top to bottom in its smallest sensible configuration.

The notebooks themselves assert what they say: that numbers computed by hand are those of the table,
that the formats agree. Here their results are checked against the run directories they leave.
"""

import json
import re
from pathlib import Path

import nbformat
import pytest
from safetensors.numpy import load_file

from benchmarks import notebooks


def run_directory(folder: Path) -> Path:
    """The one run that a notebook made."""
    (found,) = (folder / "runs").iterdir()
    return found


@pytest.mark.slow
def test_quickstart_trains_and_shows_the_policy(tmp_path: Path) -> None:
    # One seed, as in 03_deploy: the same programs.
    parameters = {"SEEDS": 1, "LEVELS": [0, 0.9], "STEPS": 500}
    notebook = notebooks.run("01_quickstart", tmp_path, parameters)
    shown = notebooks.text(notebook)
    assert "dense until step 100, pruned until 400, fine-tuned until 500, int8 until 600" in shown
    assert notebooks.images(notebook) == 2
    table = (run_directory(tmp_path) / "summary.md").read_text()
    assert all(f"| {arm} " in table for arm in ("0", "0.9", "0-int8", "0.9-int8"))
    arrays = load_file(run_directory(tmp_path) / "policies" / "0.9.safetensors")
    alive = sum(int(array.sum()) for name, array in arrays.items() if name.startswith("masks/"))
    assert alive == 1702  # a tenth of 3 x 128 + 128 x 128 + 2 x 128, to one weight


@pytest.mark.slow
def test_panel_computes_the_numbers_of_the_table(tmp_path: Path) -> None:
    parameters = {"SEEDS": 3, "LEVELS": [0, 0.9, 0.98], "STEPS": 500}
    notebook = notebooks.run("02_panel", tmp_path, parameters)
    shown = notebooks.text(notebook)
    assert notebooks.images(notebook) == 2
    assert "os.fork" not in shown  # JAX warns of it, where a cell starts a shell
    number = r"(-?[\d.]+)"
    by_hand = re.search(f"0.9-int8: {number}, 95 % interval {number} to {number}", shown)
    in_table = re.search(f"the table says {number}, {number} to {number}", shown)
    assert by_hand and in_table
    iqm, low, high = map(float, by_hand.groups())
    said, said_low, said_high = map(float, in_table.groups())
    assert iqm == pytest.approx(said, abs=0.11)
    # Two bootstraps with different random numbers, of three seeds: their ends are nearly the same.
    assert [low, high] == pytest.approx([said_low, said_high], abs=0.1 * (said_high - said_low) + 1)


@pytest.mark.slow
def test_deploy_delivers_every_format(tmp_path: Path) -> None:
    parameters = {"LEVEL": 0.95, "STEPS": 500, "EPISODES": 2}
    notebook = notebooks.run("03_deploy", tmp_path, parameters)
    delivered = run_directory(tmp_path) / "artifacts" / "0.95-int8"
    cost = json.loads((delivered / "cost.json").read_text())
    size = (delivered / "actor.srl").stat().st_size
    assert cost["bytes"]["packed"] == size
    shown = notebooks.text(notebook)
    assert f"{size:,} bytes, runs in " in shown
    assert "os.fork" not in shown  # JAX warns of it, where a cell starts a shell
    assert "return " in shown and "standard error" in shown and "film.gif" in shown
    for file in ("actor.onnx", "c/srl_actor.c", "c/srl_actor.h", "film.gif"):
        assert (delivered / file).stat().st_size > 0
    assert notebooks.images(notebook) == 1


@pytest.mark.slow
def test_compress_delivers_a_policy_of_another_library(tmp_path: Path) -> None:
    parameters = {
        "MODEL": str(notebooks.FOLDER.parent / "tests" / "importers" / "data" / "sac.zip"),
        "LEVELS": [0.5],
        "UPDATES": 500,
        "EPISODES": 20,
    }
    notebook = notebooks.run("04_compress", tmp_path, parameters)
    shown = notebooks.text(notebook)
    assert "Stable-Baselines3 2." in shown and "SAC" in shown
    delivered = tmp_path / "small" / "delivered"
    assert "srl_actor.c has" in shown and (delivered / "actor.srl").is_file()
    assert notebooks.images(notebook) == 2


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_notebook_is_committed_as_it_ran(name: str) -> None:
    """From top to bottom in one go, without an error, and without a place of some machine in it."""
    notebook = nbformat.read(notebooks.FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    assert notebooks.images(notebook) >= 1
    shown = notebooks.text(notebook)
    pages = [output.get("data", {}).get("text/html") for cell in code for output in cell.outputs]
    # Of the live view that ends nothing is left, and nothing else shows an empty block.
    assert not any(page and not re.sub(r"<[^>]*>|\s", "", page) for page in pages)
    assert not re.search(r"(^|[\s'\"(])/(home|root|tmp|work|usr)/|\x1b|\r", shown), name
    assert "Traceback" not in shown and "Warning" not in shown
    assert (notebooks.FOLDER / f"{name}.ipynb").stat().st_size < 1_000_000
    assert not any("OWNER" in cell.source or "github" in cell.source for cell in notebook.cells)
    assert [notebooks.tags(cell) for cell in code[:2]] == [["setup"], ["parameters"]]


def test_every_notebook_is_run_here() -> None:
    assert notebooks.NAMES == ["01_quickstart", "02_panel", "03_deploy", "04_compress"]


def test_an_unknown_parameter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no parameters STEP"):
        notebooks.run("01_quickstart", tmp_path, {"STEP": 1})
