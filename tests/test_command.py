"""sparse-rl: the first word chooses the command."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sparse_rl
from sparse_rl.__main__ import COMMANDS, main

ROOT = Path(sparse_rl.__file__).parents[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_other_words_go_to_the_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    module = importlib.import_module(COMMANDS[name][0])
    monkeypatch.setattr(module, "run", given.append)
    main([name, "x", "--seeds", "3"])
    assert given == [["x", "--seeds", "3"]]


def test_an_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for word, line in (
        ("trian", "error: 'trian': no such command; near: train\n"),
        ("?", f"error: '?': no such command; allowed: {', '.join(COMMANDS)}\n"),
    ):
        with pytest.raises(SystemExit) as end:
            main([word])
        assert end.value.code == 2
        assert capsys.readouterr().err == line


def test_a_mistyped_option_is_told_what_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--verison"])
    assert capsys.readouterr().err.endswith("no such command; near: --version\n")


@pytest.mark.parametrize("words", ["--help", "--version", "train --help", "inspect --help"])
@pytest.mark.parametrize(
    ("sink", "ended"),
    [
        ("| true", (0, "")),
        (">&-", (0, "")),
        ("> /dev/full", (2, "error: No space left on device\n")),
    ],
)
def test_nobody_reads_what_it_prints(words: str, sink: str, ended: tuple[int, str]) -> None:
    """The reader has gone, standard output is closed, or the disk is full: no traceback."""
    script = f"set -o pipefail; {sys.executable} -m sparse_rl {words} {sink}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == ended


def test_version_and_overview(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out.startswith(f"sparse_rl {sparse_rl.__version__}, jax 0.")
    for words in ([], ["--help"]):
        main(words)
        shown = capsys.readouterr().out
        assert all(f"\n  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize(
    ("name", "words", "line"),
    [
        ("evaluate", "x.srl --episodes 99999999999", "episodes: found '99999999999'; allowed: a"),
        (
            "export",
            "run --arm 0 --episodes 99999999999",
            "episodes: found '99999999999'; allowed: a",
        ),
        ("evaluate", "x.srl --seed 99999999999", "seed: found '99999999999'; allowed: a whole"),
        ("render", "random --seed -1", "seed: found '-1'; allowed: a whole number >= 0"),
        ("report", "run --margin inf", "margin: found 'inf'; allowed: a number >= 0"),
    ],
)
def test_numbers_that_no_machine_could_serve(
    name: str, words: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, *words.split()])
    assert end.value.code == 2
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith(f"error: {line}")


def test_help_and_refusals_do_not_start_jax(tmp_path: Path) -> None:
    """They answer at once, because nothing heavy is imported."""
    program = (
        "import sys; from sparse_rl.__main__ import main\n"
        "for words in (['train', '--help'], ['train', '--seed', '3'], ['--version']):\n"
        "    try: main(words)\n"
        "    except SystemExit: pass\n"
        "heavy = {'jax', 'flax', 'numpy', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
