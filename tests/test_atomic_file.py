"""A file is the old one or the new one, whatever happens in between."""

from collections.abc import Callable
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


def test_a_file_named_part_is_the_users(tmp_path: Path) -> None:
    file, mine = tmp_path / "actor.srl", tmp_path / "actor.srl.part"
    mine.write_text("mine")
    atomic_file.write_text(file, "new")
    with pytest.raises(OSError, match="disk"), atomic_file.replacing(file) as part:
        part.write_text("half")
        raise OSError("disk full")
    assert mine.read_text() == "mine" and file.read_text() == "new"
    assert sorted(tmp_path.iterdir()) == [file, mine]


def test_two_may_write_one_file_at_once(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    with atomic_file.replacing(file) as first:
        first.write_text("first")
        atomic_file.write_text(file, "second")
    assert file.read_text() == "first" and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("letter", ["a", "ö"])
def test_the_longest_names_can_be_written(tmp_path: Path, letter: str) -> None:
    file = tmp_path / (letter * (255 // len(letter.encode())))
    atomic_file.write_text(file, "content")
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("")
    assert file.read_text() == "content" and file.stat().st_mode == ordinary.stat().st_mode


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


def test_a_folder_named_part_is_the_users(tmp_path: Path) -> None:
    mine = tmp_path / "actor.part" / "mine"
    mine.parent.mkdir()
    mine.write_text("kept")
    with atomic_file.replacing_contents(tmp_path / "actor") as part:
        (part / "actor.srl").write_text("new")
    assert mine.read_text() == "kept"
    assert {entry.name for entry in tmp_path.iterdir()} == {"actor", "actor.part"}


def test_what_is_not_replaced_stays_in_sub_folders_too(tmp_path: Path) -> None:
    folder = tmp_path / "robot"
    (folder / "cmake" / "src").mkdir(parents=True)
    (folder / "cmake" / "FindFoo.cmake").write_text("mine")
    (folder / "cmake" / "src" / "actor.c").write_text("old")
    with atomic_file.replacing_contents(folder) as part:
        (part / "cmake" / "src").mkdir(parents=True)
        (part / "cmake" / "src" / "actor.c").write_text("new")
        (part / "cmake" / "include").mkdir()
        (part / "cmake" / "include" / "actor.h").write_text("new")
    found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert found == {"cmake/FindFoo.cmake", "cmake/src/actor.c", "cmake/include/actor.h"}
    assert (folder / "cmake" / "src" / "actor.c").read_text() == "new"
    ordinary = tmp_path / "ordinary"
    ordinary.mkdir()
    for made in (folder / "cmake" / "include", folder):
        assert made.stat().st_mode == ordinary.stat().st_mode


def _link(place: Path) -> None:
    (place.parent / "else").mkdir()
    place.symlink_to("else")


@pytest.mark.parametrize(
    ("name", "put", "message"),
    [
        ("c", Path.touch, "is a file; needed is a folder"),
        ("c", _link, "is a symbolic link; needed is a folder"),
        ("c/src", Path.touch, "is a file; needed is a folder"),
        ("c/src/actor.c", Path.mkdir, "is a folder; needed is a file"),
    ],
)
def test_nothing_moves_where_anything_is_in_the_way(
    tmp_path: Path, name: str, put: Callable[[Path], None], message: str
) -> None:
    folder = tmp_path / "actor"
    (folder / name).parent.mkdir(parents=True)
    put(folder / name)
    before = sorted(folder.rglob("*"))
    with (
        pytest.raises(OSError, match=message),
        atomic_file.replacing_contents(folder) as part,
    ):
        (part / "actor.srl").write_text("new")
        (part / "c" / "src").mkdir(parents=True)
        (part / "c" / "src" / "actor.c").write_text("new")
        (part / "c" / "Makefile").write_text("new")
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["file", "file/sub", "file/sub/sub"])
def test_a_folder_that_cannot_be_is_refused_by_its_place(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="needed is a folder") as refused:
        atomic_file.check_folder(tmp_path / name)
    assert refused.value.filename == str(tmp_path / "file")


def test_the_current_folder_has_no_name_and_is_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with atomic_file.replacing_contents(Path()) as part:
        (part / "actor.srl").write_text("new")
    assert [file.name for file in tmp_path.iterdir()] == ["actor.srl"]


def test_text_is_the_same_bytes_on_every_system(tmp_path: Path) -> None:
    atomic_file.write_text(tmp_path / "a", "größer\n")
    assert (tmp_path / "a").read_bytes() == "größer\n".encode()
