"""What the documentation says to train, trained, with fewer steps, seeds, levels and units."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import brax.envs
import pytest

from sparse_rl import export
from sparse_rl.agents.on_policy_options import OnPolicyOptions
from sparse_rl.artifact.cost import measurement
from sparse_rl.config import command_line, program
from sparse_rl.config.experiment import Config
from sparse_rl.envs.registry import make
from sparse_rl.render import __main__ as render
from sparse_rl.render import comparison
from sparse_rl.report import __main__ as report
from sparse_rl.report import page
from sparse_rl.runs import layout
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.runtime import compilation_cache
from sparse_rl.study.description import describe
from tests import run_by_hand
from tests.docs.blocks import PAGES, ROOT, Command, commands
from tests.programs import DELIVERY, train

RUN_ELSEWHERE = (
    *(ROOT / "docs" / f"{name}.md" for name in ("quickstart", "my_environment", "gallery")),
    ROOT / "docs" / "results.md",
    *(ROOT / "docs" / "how_to").iterdir(),
)
"""What the page of results names took hours; that it is understood is tested elsewhere."""
ALL = list(
    {
        (one.name, one.words): one
        for page in PAGES
        if page not in RUN_ELSEWHERE
        for one in commands(page)
    }.values()
)
SMALL = {
    "seeds": ["1"],
    "network.hidden": ["8"],
    "replay.capacity": ["64"],
    "replay.batch_size": ["8"],
    "training.steps": ["80"],
    "training.learning_starts": ["16"],
    "training.environments": ["1"],
    "training.gradient_steps": ["1"],
    "sparsity.levels": ["0", "0.98"],
    "sparsity.interval": ["8"],
    "sparsity.end": ["1"],
    "quantization.modes": ["int8"],
    "evaluation.every": ["80"],
    "evaluation.episodes": ["1"],
    "evaluation.final_episodes": ["1"],
}
WITHOUT_REPLAY = {
    name: values
    for name, values in SMALL.items()
    if not name.startswith(("replay.", "training.learning_starts", "training.gradient_steps"))
} | {
    "agent.rollout_steps": ["4"],
    "agent.batch_size": ["8"],
    "agent.epochs": ["1"],
    "training.environments": ["2"],
}
"""PPO's, whose update is due every eight steps."""


def shortened(command: Command) -> Config:
    """What the command asks for, with small values in place of its own."""
    words = [*command.words]
    if goes_on(command):
        small = SMALL | {"training.steps": ["160"]}
    else:
        on_policy = isinstance(command_line.parse(words).agent, OnPolicyOptions)
        small = WITHOUT_REPLAY if on_policy else SMALL
    for name, values in small.items():
        if f"--{name}" in words:
            start = words.index(f"--{name}")
            others = (i for i in range(start + 1, len(words)) if words[i].startswith("--"))
            del words[start : next(others, len(words))]
        words += [f"--{name}", *values]
    return command_line.parse(words)


def programs_of(config: Config) -> Config:
    """What it compiles, or all but: seeds, counts of weights and where files go are only data to
    that, and the option of an environment is the subject of tests/envs."""
    plain = Config()
    return replace(
        config,
        environment=config.environment.partition("?")[0],
        first_seed=plain.first_seed,
        sparsity=replace(config.sparsity, distribution=plain.sparsity.distribution),
        checkpoint=replace(config.checkpoint, every=plain.checkpoint.every),
        out=plain.out,
        log=plain.log,
        watch=plain.watch,
    )


def goes_on(command: Command) -> bool:
    """Whether it goes on with the members of a run, which has been made small itself."""
    return bool(command.words) and command.words[0].startswith("runs/")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(compilation_cache, "use", lambda _: None)  # the tests have their own
    monkeypatch.setattr(comparison, "MOST_FRAMES", 5)
    monkeypatch.setattr(measurement, "find_compiler", lambda: None)  # nothing is timed here
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tmp_path


@pytest.fixture
def light_physics(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every task of brax is its pendulum: physics of two joints compile in half the time.

    That the others are brax's own is the subject of tests/envs/suites/test_brax.py.
    """
    original = brax.envs.get_environment
    monkeypatch.setattr(
        brax.envs, "get_environment", lambda _, **options: original("inverted_pendulum", **options)
    )
    make.cache_clear()  # another test of this process may have asked for the true one
    yield
    make.cache_clear()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The runs with a page, the first of each agent; the very first has a film, too.

    What is drawn of another run of the same agent is the subject of tests/report and tests/render.
    """
    agents: set[str] = set()
    runs: set[Path] = set()
    film, write_report = comparison.film, page.write_report

    def film_first(run: Run) -> str:
        return "no film" if runs else film(run)

    def write_first_report(run: Run) -> Path:
        if run.config.agent.name in agents:
            return run.path
        agents.add(run.config.agent.name)
        runs.add(run.path)
        return write_report(run)

    monkeypatch.setattr(comparison, "film", film_first)
    monkeypatch.setattr(page, "write_report", write_first_report)
    return runs


@pytest.mark.slow
@pytest.mark.usefixtures("light_physics")
def test_trainings_and_what_is_done_with_their_runs(
    here: Path, shown: set[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that differ from others only in what is data to the same programs are described."""
    trainings = [one for one in ALL if one.name == "train" and one.words != ("--help",)]
    fresh = [one for one in trainings if "--resume" not in one.words]
    resumed = {one.words[one.words.index("--resume") + 1] for one in trainings if one not in fresh}
    done: list[Config] = []
    for command in sorted(fresh, key=lambda one: (goes_on(one), "--out" not in one.words)):
        config = shortened(command)
        wanted = config.out in resumed - {other.out for other in done}
        wanted |= config.log.wandb or config.watch
        if not wanted and any(programs_of(config) == programs_of(other) for other in done):
            # Several pages write to the same directory.
            assert "nothing was trained" in describe(replace(config, out="")), command
            continue
        if not config.out and config.agent.name in {other.agent.name for other in done}:
            # Nobody goes on with it, and the agent has been seen to train in int8.
            config = replace(config, quantization=replace(config.quantization, modes=()))
        config = replace(config, out=config.out or f"runs/{len(done)}")
        train(config)
        done.append(config)
        arms = len(config.sparsity.levels) * (1 + len(config.quantization.modes))
        assert final_members(Path(config.out)) == config.seeds * arms, command
    assert len({config.agent.name for config in done}) == len(shown) == 4
    assert all((run / "report" / "index.html").is_file() for run in shown)
    assert [run for run in shown if (run / layout.FILM).is_file()] == [Path(done[0].out)]
    for command in [one for one in trainings if one not in fresh]:
        config = command_line.parse(command.words)
        before = final_members(Path(config.out))
        train(config)  # finished already: nothing more is trained
        assert final_members(Path(config.out)) == before
    delivery = commands(ROOT / "docs" / "artifact.md")
    assert [one.name for one in delivery] == ["export", "evaluate"]
    for command in delivery:
        program.call(DELIVERY[command.name], [*command.words, "--episodes", "1"])
    assert "brax/hopper" in capsys.readouterr().out
    shutil.copytree("runs/hopper", "runs/walker")
    for command in [one for one in ALL if one.name == "report"]:
        capsys.readouterr()
        program.call(report.main, command.words)
        assert Path(capsys.readouterr().out.split()[-1]).is_file(), command


def final_members(run: Path) -> int:
    """How many members the final table is about: seeds times variants."""
    metrics = Run(run).metrics
    final = metrics[metrics.phase == "final"]
    return int(final.groupby(["seed", "variant"]).ngroups)


def test_films(here: Path) -> None:
    (here / "results").symlink_to(ROOT / "results")
    run_by_hand.write(
        here / "runs" / "pendulum",
        {DENSE: (-9.0,), Variant(sparsity=0.9, arithmetic="int8"): (-9.0,)},
    )
    program.call(export.main, ["runs/pendulum", "--arm", "all", "--format", "packed"])
    for arm, name in (("0", "dense.srl"), ("0.9-int8", "sparse.srl")):
        shutil.copy(f"runs/pendulum/artifacts/{arm}/actor.srl", name)
    for command in [one for one in ALL if one.name == "render"]:
        program.call(render.main, [*command.words, "--steps", "5"])
    for film in ("both.gif", "random.gif", "runs/pendulum/artifacts/0.9-int8/film.gif"):
        assert Path(film).read_bytes().startswith(b"GIF89a")
    assert "three" in Path("hopper.html").read_text()
