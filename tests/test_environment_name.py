"""Names of environments, taken apart and put together again."""

import re
from pathlib import Path

import pytest
import yaml

from sparse_rl.environment_name import EnvironmentName, taken_apart


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("brax/hopper?backend=spring&a=5", ("brax", "hopper", "backend=spring&a=5")),
        ("gymnax/Pendulum-v1", ("gymnax", "Pendulum-v1", "")),
        ("gymnasium/package:Own-v0?file=a/b?c", ("gymnasium", "package:Own-v0", "file=a/b?c")),
        ("hopper", ("hopper", "", "")),
        ("", ("", "", "")),
    ],
)  # fmt: skip
def test_parts(name: str, parts: tuple[str, str, str]) -> None:
    assert taken_apart(name) == EnvironmentName(*parts)


def test_the_paths_of_the_configurations() -> None:
    files = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
    named = [yaml.safe_load(file.read_text())["environment"] for file in files]
    assert {re.split("[?]", name)[0] for name in named} == {
        taken_apart(name).path for name in named
    }
    assert len(files) > 50
