"""The gallery: every film is there, moves, is small, and its command makes such a film."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparse_rl.config import program
from sparse_rl.render import __main__ as render
from tests.docs.blocks import ROOT, commands

PAGE = ROOT / "docs" / "gallery.md"
FILMS = sorted((ROOT / "docs" / "films").iterdir())
MOST_OF_ONE, MOST_OF_ALL = 1_500_000, 6_000_000


def test_films_and_their_commands() -> None:
    names = [f"films/{film.name}" for film in FILMS]
    assert sorted(re.findall(r"\((films/[^)]+)\)", PAGE.read_text())) == names
    made = [one.words[one.words.index("--out") + 1] for one in commands(PAGE)]
    assert sorted(made) == [f"docs/{name}" for name in names]


def test_films_move_and_are_small() -> None:
    assert sum(film.stat().st_size for film in FILMS) < MOST_OF_ALL
    for film in FILMS:
        assert film.stat().st_size < MOST_OF_ONE
        with Image.open(film) as opened:
            assert opened.n_frames > 5, film.name


def test_a_command_makes_its_film_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first film of the page, its first frames: the same pictures."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "results" / "pendulum_rigl", tmp_path / "results" / "pendulum_rigl")
    command = commands(PAGE)[0]
    program.call(render.main, [*command.words, "--steps", "5"])
    for number in (0, 3):
        pictures = []
        for folder in (tmp_path, ROOT):
            with Image.open(folder / "docs" / "films" / "pendulum.gif") as film:
                film.seek(number)
                pictures.append(np.asarray(film.convert("RGB"), float))
        # Each film has a palette of its own; the returns in the captions are the same.
        assert np.abs(pictures[0] - pictures[1]).mean() < 3
