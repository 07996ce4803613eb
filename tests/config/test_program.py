"""Commands made of functions: what they are called with, and how they refuse."""

from pathlib import Path
from typing import Annotated, Literal

import pytest

from sparse_rl.config import program
from sparse_rl.config.error import ConfigError
from sparse_rl.config.fields import NonNegative, PositiveCount


def cook(
    pots: Annotated[tuple[Path, ...], program.POSITIONAL],
    spice: tuple[Literal["salt", "dill"], ...] = ("salt",),
    minutes: PositiveCount = 10,
    loss: NonNegative | None = None,
    out: Path | None = None,
) -> dict[str, object]:
    """Cook what is in the pots.

    It takes a while.

    Args:
        pots: what to cook in; they may
            be several.
        spice: what goes in.
        minutes: how long.
        loss: what may boil away.
        out: where it goes.

    Returns:
        what it was called with.
    """
    return dict(pots=pots, spice=spice, minutes=minutes, loss=loss, out=out)


def open_one(jar: Annotated[Path, program.POSITIONAL], lid: str) -> tuple[Path, str]:
    """Open one jar.

    Args:
        jar: a jar.
        lid: its lid.
    """
    return jar, lid


def test_words_become_values_of_the_types_that_the_function_names() -> None:
    words = ["a", "b/c", "--minutes", "1e2", "--spice", "dill,salt", "--loss", "0.5", "--out=x"]
    assert program.call(cook, words) == {
        "pots": (Path("a"), Path("b/c")),
        "spice": ("dill", "salt"),
        "minutes": 100,
        "loss": 0.5,
        "out": Path("x"),
    }
    assert program.call(cook, ["a"]) == {
        "pots": (Path("a"),),
        "spice": ("salt",),
        "minutes": 10,
        "loss": None,
        "out": None,
    }
    assert program.call(open_one, ["j", "--lid", "l"]) == (Path("j"), "l")


def pack(imports: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Pack.

    Args:
        imports: what is packed.
    """
    return imports


def test_import_adds_to_what_is_imported_as_in_training() -> None:
    assert program.call(pack, ["--import", "a", "--imports=b,c"]) == ("b", "c")
    assert program.call(pack, ["--imports", "a", "b", "--import", "c", "--import=d,e"]) == (
        "a", "b", "c", "d", "e",
    )  # fmt: skip
    with pytest.raises(
        ConfigError, match=r"^import: found no value; allowed: the name of a package$"
    ):
        program.call(pack, ["--import"])


@pytest.mark.parametrize(
    ("function", "words", "line"),
    [
        (cook, "", "POT: none given; allowed: what to cook in; they may be several"),
        (cook, "--minutes 3", "POT: none given; allowed: what to cook in; they may be several"),
        (cook, "a --minuts 3", "minuts: unknown key; near: minutes"),
        (cook, "a --minutes", "minutes: found no value; allowed: a whole number >= 1"),
        (cook, "a --minutes 0", "minutes: found '0'; allowed: a whole number >= 1"),
        (cook, "a --minutes 3 4", "minutes: found 2 values, ['3', '4']; allowed: one"),
        (cook, "a --minutes 9999999999", "minutes: found '9999999999'; allowed: a whole number "
         ">= 1 and <= 2147483647"),
        (cook, "a --spice pepper", "spice: found 'pepper'; allowed: any of salt, dill"),
        (cook, "a --loss inf", "loss: found 'inf'; allowed: a number >= 0"),
        (cook, "a --pots b", "pots: found as an option; allowed: POT first, unnamed"),
        (cook, "a -m 3", "-m: options begin with two dashes; allowed: --NAME VALUE"),
        (open_one, "a b --lid l", "b: a second JAR; allowed: one, then --NAME VALUE"),
        (open_one, "a", "lid: none given; allowed: its lid"),
    ],
)  # fmt: skip
def test_refusals(function: object, words: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        program.call(function, words.split())  # type: ignore[arg-type]
    assert str(caught.value) == line


def test_no_choice_is_said_where_the_default_is_none() -> None:
    def fry(fat: Literal["", "oil", "butter"] = "") -> None:
        """Fry.

        Args:
            fat: in what.
        """

    assert "--fat  one of oil, butter  (default: none)" in program.screen(fry, "fry")
    with pytest.raises(ConfigError, match=r"^fat: found 'ghee'; allowed: one of oil, butter$"):
        program.call(fry, ["--fat", "ghee"])


def test_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    text = program.screen(cook, "cook")
    assert text.startswith("usage: python -m sparse_rl.cook POT [POT ...] [--NAME VALUE ...]\n")
    assert "Cook what is in the pots." in text and "Returns" not in text
    assert "  POT  paths\n      what to cook in; they may be several\n" in text
    assert "  --minutes  a whole number >= 1  (default: 10)\n      how long" in text
    assert "--lid  text  (required)" in program.screen(open_one, "open")
    assert max(map(len, text.splitlines())) <= 70


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("seed: found\n  7"), "error: seed: found 7\n"),
        (FileNotFoundError(2, "No such file", "x.srl"), "error: x.srl: No such file\n"),
        (OSError(28, "No space left on device"), "error: No space left on device\n"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_status_2(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(jar: str = "") -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        program.run(fail, "open", [])
    assert end.value.code == 2
    assert capsys.readouterr().err == line
