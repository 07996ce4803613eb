"""Steps and memory in the comments of configs/ that name both, against what would be trained."""

import importlib.util
import re

import pytest

from sparse_rl.config.reading import load_config
from sparse_rl.config.text import FOLDER
from sparse_rl.study import memory
from sparse_rl.study.preparation import prepare

STEPS = re.compile(r"(\d+) million environment steps in all")
MEMORY = re.compile(r"together hold ([\d.]+) ([MG])B, of which ([\d.]+) ([MG])B")
UNITS = {"M": 1e6, "G": 1e9}


def comment(name: str) -> str:
    """What stands above the first key, in one line."""
    text = (FOLDER / f"{name}.yaml").read_text()
    return text.partition("\nenvironment")[0].replace("\n#", "")


NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml") if MEMORY.search(comment(path.stem)))


def test_they_were_found() -> None:
    assert len(NAMES) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_steps_and_memory(name: str) -> None:
    config = load_config(name, devices=1)
    if config.environment.startswith("mujoco/") and not importlib.util.find_spec("gymnasium"):
        pytest.skip("needs gymnasium")
    study, said = prepare(config), comment(name)
    steps, held = STEPS.search(said), MEMORY.search(said)
    assert steps and held
    assert int(steps[1]) == round(sum(phase.member_steps for phase in study.phases) / 1e6)
    most = memory.of_one_member(study).times(memory.most_members(study, study.phases))
    assert float(held[1]) * UNITS[held[2]] == pytest.approx(most.total, rel=0.01)
    assert float(held[3]) * UNITS[held[4]] == pytest.approx(most.memory, rel=0.01)
