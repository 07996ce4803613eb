"""A package of the reader's own: its agent, network and method are chosen like those built in."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_rl import registry
from sparse_rl.config import command_line
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import to_yaml
from sparse_rl.config.reading import from_mapping, from_yaml

PACKAGE = '''
from collections.abc import Iterator
from typing import Literal

from sparse_rl import registry
from sparse_rl.config.fields import Fraction, PositiveCount, section
from sparse_rl.config.interfaces import AgentOptions, MethodOptions, NetworkOptions


@section
class ReinforceOptions(AgentOptions):
    """Monte Carlo policy gradients (Williams 1992)."""

    name: Literal["outside_reinforce"] = "outside_reinforce"
    """The algorithm."""
    discount: Fraction = 0.9
    """Discount factor of the return."""
    rollout: PositiveCount = 16
    """Environment steps of each environment between updates."""

    def steps_per_update(self, config):
        return self.rollout * config.training.environments

    def problems(self, config):
        if config.network.torso != "outside_wide":
            yield "network.torso", "found no wide one; allowed: outside_wide"


@section
class WideOptions(NetworkOptions):
    """One wide layer."""

    torso: Literal["outside_wide"] = "outside_wide"
    """The network."""
    hidden: tuple[PositiveCount, ...] = (4096,)
    """Its width."""
    normalize: bool = False
    """Whether observations are normalized."""
    depth: PositiveCount = 1
    """How often it is repeated."""


@section
class RegrowOptions(MethodOptions):
    """Dynamic sparse training."""

    drop_fraction: Fraction = 0.3
    """Share of the weights that move at each update."""


@registry.AGENTS.register("outside_reinforce", options=ReinforceOptions)
def reinforce(config, spec, dots): ...

@registry.NETWORKS.register("outside_wide", options=WideOptions)
def wide(options, observation): ...

@registry.METHODS.register("outside_regrow", options=RegrowOptions)
def regrow(options, config): ...
'''

EXPERIMENT = """
imports: [outside_package]
agent: {name: outside_reinforce, rollout: 8}
network: {torso: outside_wide, depth: 2}
training: {steps: 80000, environments: 4}
sparsity:
  methods: [gradual, outside_regrow]
  interval: 320
  outside_regrow: {drop_fraction: 0.5}
evaluation: {every: 8000}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package's folder; afterwards nothing of it is registered any more."""
    (tmp_path / "outside_package.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    registry.load()
    before = [(table, dict(table._entries)) for table in registry.ALL]
    loaded = set(registry._loaded)
    yield tmp_path
    for table, entries in before:
        table._entries = entries
    registry._loaded.clear()
    registry._loaded.update(loaded)
    sys.modules.pop("outside_package", None)


def test_its_options_are_checked_and_kept(package: Path) -> None:
    config = from_yaml(EXPERIMENT)
    assert config.agent.name == "outside_reinforce" and config.agent.discount == 0.9
    assert (config.network.hidden, config.network.depth) == ((4096,), 2)  # type: ignore[attr-defined]
    assert config.sparsity.options_of("outside_regrow").drop_fraction == 0.5
    assert config.steps_per_update == 32
    assert from_yaml(to_yaml(config)) == config
    assert from_yaml(to_yaml(config)).digest() == config.digest()
    without = from_yaml(EXPERIMENT.replace("drop_fraction: 0.5", "drop_fraction: 0.3"))
    assert without.digest() != config.digest()
    unsaid = from_yaml(EXPERIMENT.replace("  outside_regrow: {drop_fraction: 0.5}\n", ""))
    assert unsaid == without


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--agent.name", "outside_reinforc"], r"agent.name: unknown agent 'outside_reinforc'; did "
         r"you mean outside_reinforce or reinforce\? allowed: sac, dqn, td3, ddpg, ppo, a2c, trpo, "
         r"reinforce, pqn, outside_reinforce"),
        (["--sparsity.methods", "outside_regro"], "sparsity.methods: unknown method "
         r"'outside_regro'; did you mean outside_regrow\? allowed: gradual, .*outside_regrow"),
        (["--agent.rollout", "0"], "agent.rollout: found '0'; allowed: a whole number >= 1"),
        (["--agent.tau", "0"], "agent.tau: unknown key of outside_reinforce; allowed: .*"),
        (["--agent.rollout", "7"], r"training.steps: found 80000; allowed: a multiple of .*, 28"),
        (["--network.torso", "mlp"], "network.depth: unknown key of mlp; allowed: .*"),
        (["--sparsity.outside_regrow.drop_fraction", "2"],
         "sparsity.outside_regrow.drop_fraction: found '2'; allowed: a number from 0 to 1"),
        (["--sparsity.outside_regrow.drop_fractio", "1"],
         "sparsity.outside_regrow.drop_fractio: unknown key; "
         "near: sparsity.outside_regrow.drop_fraction, .*"),
        (["--sparsity.methods", "gradual"], "sparsity.outside_regrow: found options of a method "
         "that is not used; allowed: those of sparsity.methods, gradual"),
        (["--sparsity.methods", "gradual", "gradual"], "sparsity.outside_regrow: .*"),
        (["--import", "no_such_package"], "imports: no_such_package: ModuleNotFoundError: .*"),
        (["--import"], "import: found no value; allowed: the name of a package"),
    ],
)  # fmt: skip
def test_its_mistakes_are_one_line(package: Path, words: list[str], line: str) -> None:
    (package / "experiment.yaml").write_text(EXPERIMENT)
    with pytest.raises(ConfigError) as caught:
        command_line.parse([str(package / "experiment.yaml"), *words])
    assert re.fullmatch(line, str(caught.value)), str(caught.value)


def test_its_own_rule_about_the_whole(package: Path) -> None:
    with pytest.raises(ConfigError, match=r"^network.torso: found no wide one; allowed: outside_w"):
        from_mapping(
            {"imports": ["outside_package"], "agent": {"name": "outside_reinforce", "rollout": 1}}
        )


def test_an_import_on_the_command_line_stays_in_the_configuration(package: Path) -> None:
    (package / "plain.yaml").write_text("seeds: 2\n")
    words = [str(package / "plain.yaml"), "--sparsity.methods", "outside_regrow"]
    config = command_line.parse([*words, "--import", "outside_package", "--import", "json"])
    assert config.imports == ("outside_package", "json")
    assert config.sparsity.methods == ("outside_regrow",)


def test_help_shows_it_when_it_is_imported(package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sparse_rl.train", "--help", "--import", "outside_package"],
        capture_output=True,
        text=True,
        cwd=package,
        env={"PYTHONPATH": f"{package}:{Path(registry.__file__).parents[1]}"},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "agent (outside_reinforce): Monte Carlo policy gradients" in done.stdout
    agents = "sac, dqn, td3, ddpg, ppo, a2c, trpo, reinforce, pqn or outside_reinforce"
    assert f"--agent.name {agents}" in " ".join(done.stdout.split())
    assert "  --sparsity.outside_regrow.drop_fraction  a number from 0 to 1" in done.stdout
    assert "network (mlp, minatar, nature, impala)" in done.stdout


def test_a_package_installed_with_an_entry_point_joins_by_itself(tmp_path: Path) -> None:
    (tmp_path / "outside_package.py").write_text(PACKAGE)
    metadata = tmp_path / "outside_package-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-package\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[sparse_rl]\noutside = outside_package\n")
    done = subprocess.run(
        [sys.executable, "-m", "sparse_rl.train", "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{Path(registry.__file__).parents[1]}"},
        timeout=60,
    )
    assert "agent (outside_reinforce)" in done.stdout, done.stderr
