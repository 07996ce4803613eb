"""The table of options in docs/commands/train.md against the configuration itself."""

import re
from importlib import import_module
from inspect import signature
from operator import attrgetter

import pytest

from sparse_rl import registry
from sparse_rl.config.experiment import Config
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "commands" / "train.md"
ROWS = re.findall(r"^\| `([a-z_.]+)` \| (?:`(.+?)`)? ?\|", PAGE.read_text(), re.MULTILINE)
OPTIONS = [(name, default) for name, default in ROWS if not name.startswith("config.yaml")]


def test_the_table_was_found() -> None:
    assert len(OPTIONS) >= 12


@pytest.mark.parametrize(("name", "default"), OPTIONS)
def test_default(name: str, default: str) -> None:
    value = attrgetter(name)(Config())
    values = value if isinstance(value, tuple) else (value,)
    said = " ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in values)
    assert said == default


@pytest.mark.parametrize(
    ("option", "table"),
    [
        ("agent.name", registry.AGENTS),
        ("network.torso", registry.NETWORKS),
        ("sparsity.methods", registry.METHODS),
    ],
)
def test_names(option: str, table: registry.Registry) -> None:
    """What is registered and built in is in the table, and nothing else is."""
    registry.load()
    (row,) = (line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{option}`"))
    said = re.findall(r"`(\w+)`", row.split("|")[3])
    built_in = {name for name in table.names() if not name.startswith("outside")}
    assert built_in <= set(said) <= built_in


@pytest.mark.parametrize("name", ["check", "compress", "evaluate", "export", "play"])
def test_a_commands_table_has_the_options_that_it_takes(name: str) -> None:
    page = (ROOT / "docs" / "commands" / f"{name}.md").read_text()
    rows = re.findall(r"^\| (`--.+?) \|", page, re.MULTILINE)
    said = [word.replace("-", "_") for row in rows for word in re.findall(r"`--([\w-]+)`", row)]
    package = f"sparse_rl.{name}" + ".__main__" * (name == "play")
    _, *parameters = signature(import_module(package).main).parameters
    assert sorted(said) == sorted(name.replace("imports", "import") for name in parameters)
