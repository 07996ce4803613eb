"""The page on environments of one's own, done as it says: its file, its program, its command."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.envs.classic_control import PendulumEnv

import sparse_rl
from sparse_rl import check
from sparse_rl.config import command_line, program
from tests.docs.blocks import ROOT, blocks, commands

PAGE = ROOT / "docs" / "my_environment.md"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's file, where Python finds it."""
    for block in blocks(PAGE):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_its_environment_is_the_one_with_the_arguments_and_the_wrapper(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import jax
    import jax.numpy as jnp

    (program,) = (
        block.text for block in blocks(PAGE) if block.language == "python" and not block.title
    )
    names: dict[str, object] = {}
    exec(compile(program, str(PAGE), "exec"), names)
    assert "HeavyPendulum-v0" in capsys.readouterr().out

    environment = sparse_rl.envs.make("gymnasium/my_tasks:HeavyPendulum-v0")
    assert environment.spec.time_limit == 200
    state, observation = environment.reset(jax.random.split(jax.random.key(0), 1))
    _, outcome = environment.step(state, jnp.ones((1, 1)))
    heavy = PendulumEnv(g=12.0)
    cosine, sine, velocity = np.asarray(observation[0], float)
    heavy.reset()
    heavy.state = np.array([np.arctan2(sine, cosine), velocity])
    _, reward, *_ = heavy.step(np.array([2.0], np.float32))
    assert float(outcome.reward[0]) == pytest.approx(reward / 10, rel=1e-4)
    assert float(outcome.observation[0, 2]) == pytest.approx(heavy.state[1], rel=1e-4)


def test_its_commands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "configs").symlink_to(ROOT / "configs")
    tried, command = commands(PAGE)
    program.call(check.main, [*tried.words, "--episodes", "1"])
    assert "earns" in capsys.readouterr().out
    config = command_line.parse(command.words)
    assert config.environment == "gymnasium/my_tasks:HeavyPendulum-v0"


def test_the_program_of_the_page_of_environments() -> None:
    program, *_ = (
        block.text
        for block in blocks(ROOT / "docs" / "environments.md")
        if block.language == "python"
    )
    names: dict[str, Any] = {}
    exec(compile(program, "environments.md", "exec"), names)
    assert names["outcome"].observation.shape == (10, 3)
    assert np.abs(np.asarray(names["outcome"].observation)[:, :2]).max() <= 1
