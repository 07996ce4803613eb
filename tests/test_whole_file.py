"""A file is the old one or the new one, whatever happens in between."""

from pathlib import Path

import pytest

from sparse_rl import whole_file


def test_a_reader_sees_the_old_content_until_the_new_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    whole_file.write_text(file, "old\n")
    with whole_file.replacing(file) as part:
        part.write_text("new")
        assert file.read_text() == "old\n" and part.parent == tmp_path
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "actor.srl"
    whole_file.write_bytes(file, b"\x00old")
    with pytest.raises(OSError, match="disk"), whole_file.replacing(file) as part:
        part.write_bytes(b"half of the n")
        raise OSError("disk full")
    assert file.read_bytes() == b"\x00old"
    assert list(tmp_path.iterdir()) == [file]


def test_text_is_the_same_bytes_on_every_system(tmp_path: Path) -> None:
    whole_file.write_text(tmp_path / "a", "größer\n")
    assert (tmp_path / "a").read_bytes() == "größer\n".encode()
