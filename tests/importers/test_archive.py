"""Members of zip files within limits."""

import io
import zipfile

import pytest

from sparse_rl.importers import archive
from sparse_rl.importers.archive import Archive


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)
    return content.getvalue()


def test_members_are_read_by_name():
    found = Archive(zipped([("a", b"x" * 100), ("../b", b"")]))
    assert found.names == ["a", "../b"]
    assert found.read("a") == b"x" * 100 and found.read("../b") == b""
    with pytest.raises(ValueError, match="c is missing"):
        found.read("c")


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = zipped([("a", bytes(20 << 20))])
    assert len(bomb) < 40_000
    with pytest.raises(ValueError, match="that unpack to 20971520; allowed: 200 times as many"):
        Archive(bomb).read("a")


def test_a_member_that_claims_less_than_it_has_is_cut_off():
    bomb = bytearray(zipped([("a", bytes(20 << 20))]))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = bomb.index(signature) + offset
        bomb[start : start + 4] = (1000).to_bytes(4, "little")
    with pytest.raises(ValueError, match="a: damaged in the zip file"):
        Archive(bytes(bomb)).read("a")


def test_all_that_is_read_has_one_limit(monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 250)
    found = Archive(zipped([("a", b"x" * 100)]))
    found.read("a")
    found.read("a")
    with pytest.raises(ValueError, match="a: unpacks to 100 bytes; allowed: 50"):
        found.read("a")
    with pytest.raises(ValueError, match="allowed: 99"):
        Archive(zipped([("a", b"x" * 100)])).read("a", 99)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_many_members_two_of_one_name_and_other_compressions_are_refused():
    with pytest.raises(ValueError, match="more than 4096 members"):
        Archive(zipped([(str(k), b"") for k in range(4100)]))
    with pytest.raises(ValueError, match="two members of one name"):
        Archive(zipped([("a", b"1"), ("a", b"2")]))
    for compression in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(ValueError, match=r"a: compression \d+; allowed: deflate"):
            Archive(zipped([("a", b"1")], compression)).read("a")


def test_an_encrypted_member_is_refused():
    data = bytearray(zipped([("a", b"1")]))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ValueError, match="a: encrypted"):
        Archive(bytes(data)).read("a")


def test_every_truncation_is_one_line():
    data = zipped([("a", b"some text"), ("b", b"y" * 40)])
    for length in range(len(data)):
        with pytest.raises(ValueError) as error:
            Archive(data[:length]).read("a")
        assert "\n" not in str(error.value)
