"""The streamed file: others can read it, and no change of it goes unnoticed."""

from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from sparse_rl.checkpoints import tensor_file
from sparse_rl.checkpoints.tensor_file import CorruptFileError, Source, Stored

GENERATOR = np.random.default_rng(0)
ARRAYS = {
    "weights": GENERATOR.normal(size=(6, 5, 3)).astype(np.float32),
    "flags": GENERATOR.random((6, 11)) < 0.5,
    "pixels": GENERATOR.integers(0, 255, (6, 4, 4)).astype(np.uint8),
    "keys": GENERATOR.integers(0, 2**32, (6, 2)).astype(np.uint32),
    "count": np.arange(6, dtype=np.int32),
    "nothing": np.zeros((0, 7), np.float32),
}


def in_parts(array: np.ndarray) -> Source:
    def parts() -> Iterator[np.ndarray]:
        yield array[:2]
        yield array[2:]

    return Source(array.shape, array.dtype, parts)


def write(path: Path, compress: bool = False) -> Stored:
    return tensor_file.write(path, {k: in_parts(a) for k, a in ARRAYS.items()}, compress)


@pytest.mark.parametrize("compress", [False, True])
def test_what_was_written_is_read(tmp_path: Path, compress: bool) -> None:
    stored = write(tmp_path / "file", compress)
    assert stored.bytes == (tmp_path / "file").stat().st_size
    found = dict(tensor_file.read(tmp_path / "file", stored, compress))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_the_safetensors_library_reads_it(tmp_path: Path) -> None:
    write(tmp_path / "file")
    found = load_file(tmp_path / "file")
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


def test_half_precision(tmp_path: Path) -> None:
    array = np.asarray(jnp.arange(7, dtype=jnp.bfloat16) / 3)
    stored = tensor_file.write(tmp_path / "file", {"x": in_parts(array)})
    ((_, found),) = tensor_file.read(tmp_path / "file", stored)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("compress", [False, True])
def test_any_changed_byte_is_found(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "file"
    stored = write(path, compress)
    whole = path.read_bytes()
    for position in range(0, len(whole), 7 if compress else 13):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        with pytest.raises(CorruptFileError):
            list(tensor_file.read(path, stored, compress))


@pytest.mark.parametrize("compress", [False, True])
def test_a_cut_or_missing_file_is_found(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "file"
    stored = write(path, compress)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        CorruptFileError, match=f"{stored.bytes - 1} bytes instead of {stored.bytes}"
    ):
        list(tensor_file.read(path, stored, compress))
    path.unlink()
    with pytest.raises(CorruptFileError, match="cannot be read"):
        list(tensor_file.read(path, stored, compress))


def test_equal_rows_shrink(tmp_path: Path) -> None:
    empty = {"rows": in_parts(np.zeros((6, 1000), np.float32))}
    assert tensor_file.write(tmp_path / "full", empty).bytes > 24_000
    assert tensor_file.write(tmp_path / "small", empty, compress=True).bytes < 500
