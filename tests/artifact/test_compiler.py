"""What is said where an artifact cannot be compiled."""

from pathlib import Path

import pytest

from sparse_rl.artifact.compiler import CompilationError, compile_c, find_compiler
from tests import broken_compiler


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_a_refusal_is_the_first_error_in_one_line(tmp_path: Path) -> None:
    source = tmp_path / "broken.c"
    source.write_text("#warning of no interest\nint main(void) { return absent + gone; }\n")
    with pytest.raises(CompilationError) as refusal:
        compile_c(tmp_path / "broken", [source])
    (line,) = str(refusal.value).splitlines()
    assert line.startswith(f"{find_compiler()} failed: {source}:2:") and "absent" in line
    assert not (tmp_path / "broken").exists()


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        (broken_compiler.WRITES_NOTHING, "it ended without an error, and wrote nothing"),
        (broken_compiler.NO_PROGRAM, "error: Exec format error"),
    ],
    ids=["writes nothing", "no program"],
)
def test_what_is_no_compiler_is_refused_as_one_that_fails(
    tmp_path: Path, compiler: str, said: str
) -> None:
    found = broken_compiler.write(tmp_path / "bin", compiler) + "/cc"
    with pytest.raises(CompilationError) as refusal:
        compile_c(tmp_path / "actor", [tmp_path / "actor.c"], compiler=found)
    assert str(refusal.value) == f"{found} failed: {said}"


def test_one_line_is_told_of_other_words() -> None:
    assert str(CompilationError.of("cc", "\nkilled\nsignal 9\n")) == "cc failed: killed"
    assert str(CompilationError.of("cc", "")) == "cc failed: it said nothing"


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompilationError, match=r"^no C compiler found: install cc, gcc or clang$"):
        compile_c(tmp_path / "actor", [tmp_path / "actor.c"])
