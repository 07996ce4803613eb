"""`sparse-rl inspect`: what a packed file holds, without JAX, and one line for anything else."""

import hashlib
import json
import subprocess
import sys

import pytest

from benchmarks import synthetic
from sparse_rl import inspect
from sparse_rl.artifact import card
from sparse_rl.artifact.packed import PackedActor, Provenance, save
from tests.artifact.test_card import CARD


@pytest.fixture
def actor(tmp_path):
    path = tmp_path / "actor.srl"
    about = Provenance("mujoco/Walker2d-v4", "0.9-int8", 3, "abc", 1234.5)
    save(path, PackedActor(synthetic.mlp_actor((17, 64, 6), 0.9, "int8"), about))
    return path


def test_it_says_what_the_file_holds(actor, capsys):
    inspect.run([str(actor)])
    printed = capsys.readouterr().out
    for said in (
        f"{actor.stat().st_size:,} bytes, format 1",
        hashlib.sha256(actor.read_bytes()).hexdigest(),
        "mujoco/Walker2d-v4",
        "0.9-int8, seed 3",
        "1234 when it was made",
        "float32 [17]",
    ):
        assert said in printed
    table = printed.split("\n\n")[1].splitlines()
    assert len(table) == 1 + 2
    # 109 of 17 * 64 and 38 of 64 * 6 weights are left.
    assert table[1].split()[:2] == ["dense", "17"] and " 109 " in table[1] and " 38 " in table[2]
    assert "a scale for each observation" in table[1]


def test_json_has_numbers_and_not_words_about_them(actor, capsys):
    inspect.run([str(actor), "--json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert [layer["weights"] for layer in found["layers"]] == [17 * 64, 64 * 6]
    assert [layer["alive"] for layer in found["layers"]] == [109, 38]
    assert found["layers"][0]["zero"] == pytest.approx(1 - 109 / (17 * 64))
    assert found["configuration"] == "abc"
    assert (found["variant"], found["seed"], found["return"]) == ("0.9-int8", 3, 1234.5)
    assert (found["bytes"], found["format"]) == (actor.stat().st_size, 1)
    assert (found["weights"], found["alive"]) == (17 * 64 + 64 * 6, 109 + 38)
    assert found["zero"] == pytest.approx(1 - found["alive"] / found["weights"])
    assert found["reads"] == {"dtype": "float32", "shape": [17]}
    assert found["gives"] == {"discrete": False, "size": 6}
    assert found["stack_bytes"] > 0


def test_the_card_beside_the_file_is_shown(actor, capsys):
    (actor.parent / card.FILE).write_text(CARD.to_json([actor], actor.parent))
    inspect.run([str(actor)])
    printed = capsys.readouterr().out
    assert all(line in printed for line in CARD.lines())
    inspect.run([str(actor), "--json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["card"]["verdict"] == "not worse"


def test_anything_else_is_one_line_that_names_it(actor, tmp_path, capsys):
    damaged = tmp_path / "damaged.srl"
    damaged.write_bytes(actor.read_bytes()[:-3])
    for bad in (damaged, tmp_path / "none.srl", tmp_path):
        with pytest.raises(SystemExit) as ended:
            inspect.run([str(actor), str(bad)])
        assert ended.value.code == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"error: {bad}: ") and printed.err.count("\n") == 1


def test_it_needs_no_jax(actor):
    code = (
        "import sys; sys.modules['jax'] = sys.modules['pydantic'] = None\n"
        "from sparse_rl.__main__ import main\n"
        f"main(['inspect', {str(actor)!r}])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "Walker2d" in found.stdout


def test_a_reader_who_leaves_early_sees_no_traceback(actor):
    inspected = f"{sys.executable} -m sparse_rl.inspect --json {f'{actor} ' * 30}"
    command = ["bash", "-c", f"set -o pipefail; {inspected} | true"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("words", [[], ["a.srl", "--jsno"]])
def test_words_that_it_does_not_know_are_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        inspect.run(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
