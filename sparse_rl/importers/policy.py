"""A policy's file, of whatever kind: what it is follows from its first bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparse_rl import extras
from sparse_rl.architecture.operations import Output
from sparse_rl.artifact import packed
from sparse_rl.importers import (
    brax_parameters,
    inert_pickle,
    stable_baselines3,
    state_dict,
    torch_tensors,
)
from sparse_rl.importers.archive import Archive, is_zip
from sparse_rl.importers.imported import Imported, OutputError
from sparse_rl.importers.inert_pickle import Record
from sparse_rl.importers.numpy_arrays import kind_of
from sparse_rl.importers.stable_baselines3.vec_normalize import in_front, normalize_of

MOST_BYTES = 1 << 28
READABLE = (
    "a packed actor (.srl), a zip file of Stable-Baselines3, an ONNX model, a state dict of "
    "CleanRL saved by torch.save, parameters saved by brax"
)


def read_policy(
    path: Path | str, normalizer: Path | str | None = None, output: Output | None = None
) -> Imported:
    """The deterministic policy in a file that was trained elsewhere.

    `normalizer` is a pickled VecNormalize, which goes in front. `output` says how actions are made
    where the file does not: of state dicts without bounds, and of ONNX models that give means.
    Nothing in the files is executed, and no other file is read.

    Raises ValueError, one line that names the file, what was found and what is readable;
    `OutputError`, which is one, where that is a matter of `output`.
    """
    path = Path(path)
    try:
        found = _read(_content(path), output)
    except OutputError as error:
        raise OutputError(f"{path}: {_line(error)}", *error.allowed) from None
    except ValueError as error:
        raise ValueError(f"{path}: {_line(error)}") from None
    if normalizer is None:
        return found
    normalizer = Path(normalizer)
    try:
        graph = in_front(found.graph, normalize_of(_content(normalizer)))
    except ValueError as error:
        raise ValueError(f"{normalizer}: {_line(error)}") from None
    return found._replace(graph=graph, origin=f"{found.origin}, VecNormalize")


def _read(data: bytes, output: Output | None) -> Imported:
    # Files may hold numbers near the largest of float32: their sums and quotients overflow quietly.
    with np.errstate(all="ignore"):
        if data[:3] == packed.MAGIC:
            actor = packed.from_bytes(data)
            return Imported(actor.graph, "sparse_rl", actor.provenance.environment)
        if torch_tensors.is_legacy(data):
            raise ValueError(
                "torch.save's format before PyTorch 1.6; save it again: "
                "torch.save(torch.load(PATH, map_location='cpu'), PATH)"
            )
        if is_zip(data):
            return _zip(Archive(data), output)
        if data[:1] == b"\x80":  # a pickle of protocol 2 to 5
            return _pickle(inert_pickle.loads(data), output)
        return _onnx(data, output)


def _zip(archive: Archive, output: Output | None) -> Imported:
    if stable_baselines3.is_stable_baselines3(archive):
        if output is not None:
            raise OutputError("output: given, but a zip file of Stable-Baselines3 has its own")
        return stable_baselines3.read(archive)
    if torch_tensors.is_torch(archive):
        return state_dict.read(archive, output)
    raise ValueError(f"a zip file of something else; readable: {READABLE}")


def _pickle(value: object, output: Output | None) -> Imported:
    if brax_parameters.is_brax(value):
        return brax_parameters.read(value, output)
    if isinstance(value, Record) and value.name == "VecNormalize":
        raise ValueError("a VecNormalize, no policy: give it as normalizer beside its policy")
    raise ValueError(f"a pickle of {kind_of(value)}; readable: {READABLE}")


def _onnx(data: bytes, output: Output | None) -> Imported:
    # A model begins with its fields 1 to 8: the version, producer, and so on, or the graph.
    if not data or data[0] not in (0x08, 0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42):
        raise ValueError(f"no file of a policy; readable: {READABLE}")
    try:
        from sparse_rl.importers.onnx import graph as onnx_graph
    except ModuleNotFoundError as error:
        raise ValueError(extras.missing(error) or str(error)) from None
    return onnx_graph.read(data, output)


def _content(path: Path) -> bytes:
    """A file's bytes; raises ValueError where it is no file, or too large."""
    try:
        if not path.is_file():
            raise ValueError("no file" if not path.exists() else "not a file")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"{size} bytes; allowed: {MOST_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None


def _line(error: ValueError) -> str:
    """One line for a terminal: names out of a file may have any characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(error))[:1000]
