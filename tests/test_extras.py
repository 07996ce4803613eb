"""What is missing is named with the extra that has it, and that extra does have it."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sparse_rl import extras

ROOT = Path(__file__).parents[1]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def distributions(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", one)[0].lower().replace("_", "-") for one in requirements}


def test_each_module_comes_with_the_extra_that_is_named() -> None:
    of_module = importlib.metadata.packages_distributions()
    for extra, modules in extras.OF_MODULES.items():
        declared = distributions(DECLARED["optional-dependencies"][extra])
        for module in set(modules.split()) - {"pydantic_core", "jaxlib", "Box2D"}:  # of others
            if module in of_module:
                found = {name.lower().replace("_", "-") for name in of_module[module]}
                assert found & declared, (extra, module, found)


def test_a_missing_module_is_one_line_and_others_are_not_ours() -> None:
    error = ModuleNotFoundError("No module named 'jax.numpy'", name="jax.numpy")
    assert extras.missing(error) == "jax is not installed; pip install 'sparse_rl[train]'"
    assert extras.missing(ModuleNotFoundError(name="ale_py")) is not None
    assert extras.missing(ModuleNotFoundError(name="torch")) is None
    assert extras.missing(ModuleNotFoundError()) is None


@pytest.mark.parametrize("words", [["train"], ["train", "--help"]])
def test_commands_without_their_packages(words: list[str]) -> None:
    """In a Python that finds nothing but this package."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
         f"from sparse_rl.__main__ import main; main({words!r})"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 2
    line = rf"error: {words[0]}: \w+ is not installed; pip install 'sparse_rl\[train\]'\n"
    assert re.fullmatch(line, done.stderr), done.stderr


@pytest.mark.parametrize("command", ["train", "export", "evaluate", "report", "render"])
def test_modules_without_their_packages(command: str) -> None:
    """python -m sparse_rl.COMMAND, where NumPy is all that a base installation has."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r})\n"
         "import numpy\n"
         "sys.modules |= dict.fromkeys(['pydantic', 'annotated_types', 'jaxtyping', 'jax'])\n"
         f"runpy.run_module('sparse_rl.{command}', run_name='__main__')"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    line = rf"error: {command}: \w+ is not installed; pip install 'sparse_rl\[train\]'\n"
    assert re.fullmatch(line, done.stderr), done.stderr


def test_the_version_needs_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
         "from sparse_rl.__main__ import main; main(['--version'])"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert "jax not installed" in done.stdout, done.stderr
