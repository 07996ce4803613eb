"""A file is the old one or the new one, whatever happens in between."""

from pathlib import Path

import pytest

from sparse_rl import atomic_file


def test_a_reader_sees_the_old_content_until_the_new_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    atomic_file.write_text(file, "old\n")
    with atomic_file.replacing(file) as part:
        part.write_text("new")
        assert file.read_text() == "old\n" and part.parent == tmp_path
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "actor.srl"
    atomic_file.write_bytes(file, b"\x00old")
    with pytest.raises(OSError, match="disk"), atomic_file.replacing(file) as part:
        part.write_bytes(b"half of the n")
        raise OSError("disk full")
    assert file.read_bytes() == b"\x00old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_gets_all_of_its_files_or_none(tmp_path: Path) -> None:
    folder = tmp_path / "actor"
    folder.mkdir()
    (folder / "film.gif").write_text("kept")
    (folder / "actor.srl").write_text("old")
    with pytest.raises(OSError, match="disk"), atomic_file.replacing_contents(folder) as part:
        (part / "actor.srl").write_text("new")
        raise OSError("disk full")
    assert (folder / "actor.srl").read_text() == "old"
    with atomic_file.replacing_contents(folder) as part:
        (part / "actor.srl").write_text("new")
        (part / "c").mkdir()
        (part / "c" / "main.c").write_text("code")
        assert (folder / "actor.srl").read_text() == "old"
    assert {file.name for file in folder.iterdir()} == {"film.gif", "actor.srl", "c"}
    assert (folder / "actor.srl").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["actor"]


def test_what_is_in_the_way_is_named_and_nothing_has_moved(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OSError, match="needed is a folder"), atomic_file.replacing_contents(file):
        raise AssertionError("the block must not run")
    folder = tmp_path / "actor"
    (folder / "b.srl").mkdir(parents=True)
    with (
        pytest.raises(OSError, match="is a folder; needed is a file"),
        atomic_file.replacing_contents(folder) as part,
    ):
        (part / "a.srl").write_text("new")
        (part / "b.srl").write_text("new")
    assert {entry.name for entry in folder.iterdir()} == {"b.srl"}


def test_text_is_the_same_bytes_on_every_system(tmp_path: Path) -> None:
    atomic_file.write_text(tmp_path / "a", "größer\n")
    assert (tmp_path / "a").read_bytes() == "größer\n".encode()
