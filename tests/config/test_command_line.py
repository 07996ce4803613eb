"""The command line: files and options become one checked configuration, or one line of refusal."""

import copy
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparse_rl import registry
from sparse_rl.agents.options import DQNOptions
from sparse_rl.config import command_line, options
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.config.reading import from_mapping, from_yaml
from sparse_rl.config.text import FOLDER, find, read_file

registry.load()
AGENTS = "sac, dqn, td3, ddpg, ppo, a2c, trpo, reinforce"


def of_every_method(agent: str) -> dict[str, Any]:
    """Of every method that the agent has: dqn has them all."""
    methods = [name for name in registry.METHODS.names() if agent == "dqn" or name != "adaptive"]
    return {"agent": {"name": agent}, "sparsity": {"methods": methods, "levels": [0, 0.5]}}


PLAIN = [
    yaml.safe_load(to_yaml(from_mapping(of_every_method(name)))) for name in registry.AGENTS.names()
]
EXPERIMENTS = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def refusal(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        command_line.parse(words)
    line = str(caught.value)
    assert line.isprintable()
    return line


@pytest.fixture
def dqn_file(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text("agent: {name: dqn, double: true}\nseeds: 4\n")
    return str(path)


# What is accepted


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_loads_by_name_and_by_path(name: str) -> None:
    config = command_line.parse([name])
    assert command_line.parse([str(FOLDER / f"{name}.yaml")]) == config
    written = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    assert config == from_mapping(written)
    assert (FOLDER / f"{name}.yaml").read_text().startswith("# ")  # it says what it is


def test_without_words_the_default_experiment() -> None:
    assert command_line.parse([]) == from_yaml((FOLDER / "sac_pendulum.yaml").read_text())


def test_options_override_the_file_and_nothing_else() -> None:
    plain = command_line.parse(["sac_pendulum"])
    changed = command_line.parse(
        ["sac_pendulum", "--seeds", "3", "--sparsity.levels", "0", "0.9", "--out", "runs/x"]
    )
    expected = yaml.safe_load(to_yaml(plain))
    expected |= {"seeds": 3, "out": "runs/x"}
    expected["sparsity"]["levels"] = [0, 0.9]
    assert changed == from_mapping(expected)


def test_the_default_experiment_takes_options_without_a_file() -> None:
    assert command_line.parse(["--seeds", "3"]) == command_line.parse(
        ["sac_pendulum", "--seeds", "3"]
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--sparsity.levels", "0", "0.9"],
        ["--sparsity.levels=0", "0.9"],
        ["--sparsity.levels", "0,0.9"],
        ["--sparsity.levels", "0, 0.9"],
        ["--sparsity.levels=0,0.9"],
        ["--sparsity.levels", "0 0.9"],
        ["--sparsity.levels", "0", "9e-1"],
        ["--sparsity.levels", "0", "0.5", "--sparsity.levels", "0", "0.9"],
    ],
)
def test_lists(words: list[str]) -> None:
    assert command_line.parse(words).sparsity.levels == (0.0, 0.9)


@pytest.mark.parametrize("words", [["--quantization.modes"], ["--quantization.modes", ""]])
def test_an_empty_list(words: list[str]) -> None:
    assert command_line.parse(words).quantization.modes == ()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], True),  # as in the file
        (["--agent.double"], True),
        (["--agent.double", "true"], True),
        (["--agent.double", "false"], False),
        (["--agent.double=false"], False),
        (["--agent.double", "--seeds", "3"], True),
    ],
)
def test_switches(dqn_file: str, words: list[str], expected: bool) -> None:
    agent = command_line.parse([dqn_file, *words]).agent
    assert isinstance(agent, DQNOptions)
    assert agent.double is expected


@pytest.mark.parametrize(
    "words",
    [["--replay.batch-size", "32"], ["--replay.batch_size=32"], ["--replay.batch_size", "3.2e1"]],
)
def test_spellings_of_one_option(words: list[str]) -> None:
    assert command_line.parse(words).replay.batch_size == 32


def test_a_value_may_hold_equals_signs_and_an_empty_out_is_the_default() -> None:
    words = ["--environment=brax/hopper?backend=spring", "--out", ""]
    config = command_line.parse(words)
    assert config.environment == "brax/hopper?backend=spring"
    assert config.out == ""


def test_the_agent_can_be_changed_where_the_file_says_nothing_that_only_the_other_knows() -> None:
    agent = command_line.parse(["sac_pendulum", "--agent.name", "dqn", "--agent.double"]).agent
    assert agent == DQNOptions(learning_rate=1e-3, double=True)


def test_a_run_goes_on_as_what_it_was(tmp_path: Path) -> None:
    original = command_line.parse(["sac_pendulum", "--seeds", "3", "--out", "elsewhere"])
    (tmp_path / "config.yaml").write_text(to_yaml(original))
    resumed = command_line.parse(["--resume", str(tmp_path), "--devices", "2"])
    assert resumed.digest() == original.digest()
    assert (resumed.out, resumed.resume, resumed.devices) == (str(tmp_path), str(tmp_path), 2)
    for words in (["--seeds", "4"], ["--out", "x"], ["--agent.tau", "1"]):
        line = refusal("--resume", str(tmp_path), *words)
        assert line.startswith(f"{words[0][2:]}: cannot be changed by --resume; allowed: ")
    line = refusal("sac_pendulum", "--resume", str(tmp_path))
    assert line.startswith("sac_pendulum: cannot be changed by --resume; allowed: ")


def test_a_run_that_is_not_there_cannot_go_on(tmp_path: Path) -> None:
    for words in (["--resume", str(tmp_path)], ["--resume", "a\0b"], ["--resume", "x" * 5000]):
        line = refusal(*words)
        assert line.startswith("resume: ") and line.endswith("allowed: a run directory")
    nothing = "resume: found no value; allowed: the directory of a run"
    for words in (["--resume"], ["--resume", ""], ["--resume="]):  # "$RUN" that was never set
        assert refusal(*words) == nothing


# What is refused


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--seed", "3"], "seed: unknown key; near: seeds"),
        (["--levels", "0", "0.9"], "levels: unknown key; near: sparsity.levels"),
        (["--learning-rate", "1"], "learning_rate: unknown key; near: agent.learning_rate"),
        (
            ["sac_pendulm"],
            "sac_pendulm: no such file, and no experiment of that name; near",
        ),
        (["--seeds"], "seeds: found no value; allowed: a whole number from 1 to 100000"),
        (["--seeds="], "seeds: found ''; allowed: a whole number from 1 to 100000"),
        (["--seeds", "-3"], "seeds: found '-3'; allowed: a whole number from 1 to 100000"),
        (["--seeds", "3", "4"], "seeds: found 2 values, ['3', '4']; allowed: one"),
        (["--first_seed", "-1"], "first_seed: found '-1'; allowed: a whole number >= 0"),
        (["--agent.tau", "nan"], "agent.tau: found 'nan'; allowed: a number from 0 to 1"),
        (["--agent.tau", "-inf"], "agent.tau: found '-inf'; allowed: a number from 0 to 1"),
        (["--out"], "out: found no value; allowed: text"),
        (["--out", "runs/x", "sac"], "out: found 2 values, ['runs/x', 'sac']; allowed: one"),
        (["sac_pendulum", "more"], "more: a second file; allowed: one, then --NAME VALUE ..."),
        (["-seeds", "3"], "-seeds: options begin with two dashes; allowed: --NAME VALUE"),
        (
            ["sac_pendulum", "\N{EN DASH}seeds", "3"],
            "\N{EN DASH}seeds: options begin with two dashes; allowed: --NAME VALUE",
        ),
        (["--"], "--: found no name after the dashes; allowed: --NAME VALUE"),
        (["--=3"], "--=3: found no name after the dashes; allowed: --NAME VALUE"),
        (
            ["--sparsity.levels", "0;0.9"],
            "sparsity.levels: found '0;0.9'; allowed: numbers >= 0 and < 1, one or more",
        ),
        (
            ["--sparsity.levels"],
            "sparsity.levels: found []; allowed: numbers >= 0 and < 1, one or more",
        ),
        (
            ["--agent", "dqn"],
            "agent: found 'dqn'; allowed: its own keys and values, such as agent.name",
        ),
        (
            ["--agent.name", "c51"],
            f"agent.name: unknown agent 'c51'; allowed: {AGENTS}, pqn",
        ),
        (["--agent.name"], f"agent.name: found no value; allowed: {AGENTS} or pqn"),
        (
            ["--seeds.x", "3"],
            "seeds.x: found 10 as the value of seeds; allowed: its own keys and values",
        ),
        (
            ["--network", "mlp", "--network.torso", "mlp"],
            "network.torso: found 'mlp' as the value of network; allowed: its own keys and values",
        ),
        ([""], "'': no such file, and no experiment of that name; allowed: a YAML file or "),
    ],
)
def test_refusals(words: list[str], line: str) -> None:
    assert refusal(*words).startswith(line)


def test_fields_of_the_other_agent_are_refused(dqn_file: str) -> None:
    line = refusal(dqn_file, "--agent.name", "sac")
    assert line.startswith("agent.double: unknown key of sac; allowed: agent.name, ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert (
        refusal(str(tmp_path))
        == f"{tmp_path}: is a directory; allowed: a YAML file, or that of a run"
    )
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert refusal(str(binary)).startswith(f"{binary}: not UTF-8 text")
    tabs = tmp_path / "tabs.yaml"
    tabs.write_text("network:\n\ttorso: mlp\n")
    assert refusal(str(tabs)).startswith(f"{tabs}, line 2: found character '\\t'")
    sequence = tmp_path / "list.yaml"
    sequence.write_text("- seeds: 3\n")
    assert refusal(str(sequence)).endswith("allowed: keys and values")
    assert "File name too long" in refusal("x" * 5000)
    assert "no such file" in refusal("a\0b") or "null" in refusal("a\0b")
    assert refusal("two\nlines").startswith("two lines: no such file")


# Help


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        inner = isinstance(value, dict)
        yield from leaves(value, f"{prefix}{name}.") if inner else [f"{prefix}{name}"]


def screen(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        command_line.run(lambda config: pytest.fail("ran"), [*words, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("program", ["train", "export"])
def test_help_may_be_read_in_part(program: str) -> None:
    """`sparse_rl.train --help | head -1`: whoever reads may stop, and nobody hears of it."""
    command = subprocess.Popen(
        [sys.executable, "-m", f"sparse_rl.{program}", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None and command.stderr is not None
    command.stdout.close()
    assert command.stderr.read() == ""
    assert command.wait() == 0


def test_help_shows_every_option_of_all_agents(capsys: pytest.CaptureFixture[str]) -> None:
    text = screen(capsys)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80  # where there is no terminal
    for section in options.sections(Config()):
        for option in section.options:
            at = [i for i, line in enumerate(lines) if line.startswith(f"  --{option.name}  ")]
            assert at, option.name
            # Type and default on the option's line, help of at least three words below it; agents
            # have options of the same name.
            assert len(option.help.split()) >= 3
            words = {option.allowed.split()[0], "(default:", *option.help.split()[:3]}
            assert any(words <= set(" ".join(lines[i : i + 4]).split()) for i in at)
    # The same, without the module under test: every leaf of any agent's written configuration.
    shown = set(re.findall(r"^  --(\S+)", text, flags=re.MULTILINE))
    expected = {name for plain in PLAIN for name in leaves(plain)}
    assert shown == expected
    for name in EXPERIMENTS:
        assert name in text


def test_help_shows_the_values_of_the_named_experiment(
    capsys: pytest.CaptureFixture[str], dqn_file: str
) -> None:
    assert "--agent.learning_rate  a number > 0  (default: 0.001)" in screen(capsys)
    text = screen(capsys, dqn_file)
    assert "--seeds  a whole number from 1 to 100000  (default: 4)" in text
    assert "--agent.double  true or false  (default: true)" in text
    # One that cannot be read does not keep the help from being shown.
    assert "(default: 10)" in screen(capsys, "nonsense")


def test_help_is_as_wide_as_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns, (low, high) in {"70": (61, 70), "110": (95, 110), "9": (45, 60)}.items():
        monkeypatch.setenv("COLUMNS", columns)
        widest = max(map(len, screen(capsys).splitlines()))
        # A command that one copies is not wrapped.
        assert low <= widest <= max(high, 76), columns


# Exit statuses


def test_a_refusal_is_one_line_on_stderr_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command_line.run(lambda config: pytest.fail("ran"), ["--seed", "3"])
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "error: seed: unknown key; near: seeds\n")


def test_a_refusal_by_the_command_itself_is_one_line_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(config: Config) -> None:
        raise ConfigError("environment:\n  nothing of that name")

    with pytest.raises(SystemExit) as caught:
        command_line.run(refuse, [])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: environment: nothing of that name\n"


def test_an_accepted_line_runs_the_command_once() -> None:
    ran: list[Config] = []
    command_line.run(ran.append, ["--seeds", "3"])
    assert ran == [command_line.parse(["--seeds", "3"])]


@pytest.mark.parametrize(
    ("words", "status", "err"),
    [
        (["--help"], 0, r""),
        (["--sparsity.levels", "0", "1.2"], 2, r"error: sparsity\.levels: found '1\.2'; .*\n"),
        (["no_such_file", "--seeds", "3"], 2, r"error: no_such_file: no such file, .*\n"),
    ],
)
def test_the_program_itself(words: list[str], status: int, err: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sparse_rl.train", *words],
        capture_output=True,
        text=True,
        cwd=FOLDER.parent,
        timeout=120,
    )
    assert done.returncode == status
    assert re.fullmatch(err, done.stderr), done.stderr
    assert done.stdout.startswith("usage:") if status == 0 else done.stdout == ""


# Whatever is typed, it is accepted or refused with one line

FUZZ = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
NAMES = [option.name for section in options.sections(Config()) for option in section.options]
SECTIONS = [section.name for section in options.sections(Config()) if section.name]
WORDS = (
    "0 1 -1 3 0.5 0.9 1.2 1e6 1e-9 1e400 -0.0 nan inf -inf true false yes null none sac dqn mlp "
    "int8 uniform 0,0.9 [0,0.9] {} [] 1_000 0x10 1:30 ~ * & ! % 2147483647 2147483648"
)
ODD = ["", " ", "0 0.9", "a\nb", "\x1b[1m", "\udc80", "\u0663", "\xb2", "'", '"', "9" * 5000]
VALUES = [*WORDS.split(), *ODD]

odd_texts = st.one_of(st.sampled_from(VALUES), st.text(max_size=8))
names = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(SECTIONS),
    st.sampled_from(NAMES).map(lambda name: name[:-1]),
    st.tuples(st.sampled_from(NAMES), odd_texts).map(".".join),
    st.text("ab.-_=", max_size=6),
)
words = st.one_of(
    names.map(lambda name: f"--{name}"),
    st.tuples(names, odd_texts).map(lambda pair: f"--{pair[0]}={pair[1]}"),
    odd_texts,
)
odd_values = st.recursive(
    st.one_of(
        st.sampled_from(VALUES),
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-2, 2),
        st.floats(),
        st.floats(0, 1),
        st.dates(),
        st.binary(max_size=3),
        st.sampled_from([400, 5000]).map(lambda n: 10**n),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(names, st.integers(), st.none()), inner, max_size=3),
    ),
    max_leaves=4,
)


def accepted_or_one_line(function: Any, *arguments: Any) -> None:
    try:
        config = function(*arguments)
    except ConfigError as error:
        line = str(error)
        assert line and line.isprintable() and len(line) < 1000
    else:
        assert isinstance(config, Config)
        assert from_yaml(to_yaml(config)) == config


@settings(FUZZ, max_examples=400)
@given(st.lists(words, max_size=5))
def test_any_command_line(line: list[str]) -> None:
    accepted_or_one_line(command_line.parse, line)


@settings(FUZZ, max_examples=400)
@given(
    st.sampled_from(PLAIN),
    st.lists(st.tuples(names, odd_values), min_size=1, max_size=4),
    st.lists(st.sampled_from(SECTIONS), max_size=2),
)
def test_any_change_of_a_configuration(
    plain: dict[str, Any], changes: list[tuple[str, object]], dropped: list[str]
) -> None:
    values = copy.deepcopy(plain)
    for name in dropped:
        values.pop(name, None)
    for name, value in changes:
        *path, last = name.split(".")
        inner: Any = values
        for part in path:
            following = inner.setdefault(part, {})
            if not isinstance(following, dict):
                break
            inner = following
        inner[last] = value
    accepted_or_one_line(from_mapping, values)


SIGNS = list("\t\n :-[]{}&*!|>'\"%@`,#?<\0\x85\ufeff")


@settings(FUZZ, max_examples=200)
@given(st.data())
def test_any_damage_to_a_file(data: st.DataObject) -> None:
    text = "seeds: 3\nagent: {name: sac, tau: 0.1}\nnetwork:\n  hidden: [64, 64]\nout: x\n"
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        until = data.draw(st.integers(at, min(at + 3, len(text))))
        pieces = st.one_of(
            st.sampled_from(list("\t\n :-[]{}&*!|>'\"%@`,#?<\0\x85\ufeff")), odd_texts
        )
        text = text[:at] + data.draw(pieces) + text[until:]
    accepted_or_one_line(from_yaml, text)


def test_fuzzing_meets_accepted_ones_too() -> None:
    """The three tests above would be idle if everything were refused."""
    assert read_file(find("sac_pendulum"))
    for changed in ({"seeds": "3"}, {"sparsity": {"end": 0.5}}, {"out": "\x1b[1m"}):
        accepted_or_one_line(from_mapping, changed)
        assert isinstance(from_mapping(changed), Config)
