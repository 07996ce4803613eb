"""What torch.save wrote, as NumPy arrays, without PyTorch.

The file is a zip of NAME/data.pkl, a pickle in which each storage is a persistent id ("storage",
torch.FloatStorage, key, device, elements), NAME/data/KEY, the raw elements of a storage, and, in
newer files, NAME/byteorder. A tensor is a view of a storage: offset, sizes and strides, in elements
(torch/serialization.py and torch/_utils.py of PyTorch 2).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from sparse_rl.importers import inert_pickle
from sparse_rl.importers.archive import Archive
from sparse_rl.importers.inert_pickle import Record
from sparse_rl.importers.numpy_arrays import kind_of

_ELEMENTS = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
}
_BEFORE_ZIP = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of the format before PyTorch 1.6: its magic number."""
_MOST_NAMES = 1 << 14
_MOST_ELEMENTS = 1 << 27
"""Tensors may share a storage, so that all of them are more than their file."""


def is_legacy(data: bytes) -> bool:
    """Whether it is a file of torch.save before PyTorch 1.6."""
    return data.startswith(_BEFORE_ZIP)


def is_torch(archive: Archive) -> bool:
    """Whether the zip file is one of torch.save."""
    return any(name == "data.pkl" or name.endswith("/data.pkl") for name in archive.names)


def load(archive: Archive) -> Any:
    """The object that was saved, as data, its tensors records: `tensors_of` reads them.

    Raises ValueError, one line, where the file is damaged.
    """
    pickles = [name for name in archive.names if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise ValueError(f"a file of PyTorch has one data.pkl; found {len(pickles)}")
    storages = _Storages(archive, pickles[0].removesuffix("data.pkl"))
    data = archive.read(pickles[0], inert_pickle.MOST_BYTES)
    return inert_pickle.loads(data, storages.storage)


def tensors_of(saved: Any) -> dict[str, NDArray]:
    """The tensors of a saved object by name: of nested state dicts, `actor.fc1.weight`.

    Elements of a saved tuple are named by their number. What is no tensor is left out. The arrays
    are views of the file's bytes. Raises ValueError for a tensor that does not fit its storage.
    """
    found: dict[str, NDArray] = {}
    elements = 0
    waiting: list[tuple[str, Any, int]] = [("", saved, 0)]
    for name, value, depth in waiting:
        if isinstance(value, list | tuple) and depth == 0:
            value = {str(k): element for k, element in enumerate(value[:64])}
        if isinstance(value, dict) and depth < 4:
            dot = f"{name}." if name else ""
            waiting += [
                (f"{dot}{key}", element, depth + 1)
                for key, element in value.items()
                if isinstance(key, str) and len(key) < 256
            ]
        elif isinstance(value, Record) and value.name in ("_rebuild_tensor_v2", *_WRAPPERS):
            found[name] = _tensor(value, name)
            elements += found[name].size
        if len(waiting) > _MOST_NAMES:
            raise ValueError(f"more than {_MOST_NAMES} entries in a file of PyTorch")
        if elements > _MOST_ELEMENTS:
            raise ValueError(f"more than {_MOST_ELEMENTS} elements in a file of PyTorch")
    return found


class _Storages:
    """The storages of one file, each read once."""

    def __init__(self, archive: Archive, prefix: str) -> None:
        self.archive = archive
        self.prefix = prefix
        self.read: dict[str, NDArray] = {}
        order = "little"
        if f"{prefix}byteorder" in archive.names:
            order = archive.read(f"{prefix}byteorder", 16).decode("latin-1")
        if order not in ("little", "big"):
            raise ValueError(f"byteorder: found {order!r}; allowed: little, big")
        self.order = "<" if order == "little" else ">"

    def storage(self, identifier: Any) -> NDArray:
        if not isinstance(identifier, tuple) or len(identifier) != 5:
            raise ValueError("a persistent id that is no storage")
        _, kind, key, _, count = identifier
        name = kind.name if isinstance(kind, Record) else ""
        if name not in _ELEMENTS or not isinstance(key, str) or type(count) is not int:
            raise ValueError(f"a storage {kind_of(kind)}; allowed: {', '.join(_ELEMENTS)}")
        if f"{name} {key}" not in self.read:
            data = self.archive.read(f"{self.prefix}data/{key}")
            self.read[f"{name} {key}"] = self.elements(data, _ELEMENTS[name])
        elements = self.read[f"{name} {key}"]
        if not 0 <= count <= len(elements):
            raise ValueError(f"a storage of {len(elements)} elements instead of {count}")
        return elements

    def elements(self, data: bytes, kind: str) -> NDArray:
        if kind == "bfloat16":  # the upper half of a float32
            halves = np.frombuffer(data[: len(data) // 2 * 2], f"{self.order}u2")
            return (halves.astype(np.uint32) << 16).view(np.float32)
        dtype = np.dtype(f"{self.order}{kind}")
        return np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)


_WRAPPERS = ("_rebuild_parameter", "_rebuild_parameter_with_state")


def _tensor(value: Record, name: str) -> NDArray:
    if value.name in _WRAPPERS and isinstance(value.arguments, tuple) and value.arguments:
        value = value.arguments[0]
    try:
        if not isinstance(value, Record) or value.name != "_rebuild_tensor_v2":
            raise ValueError(f"found {kind_of(value)}")
        storage, offset, sizes, strides = value.arguments[:4]
        return _view(storage, offset, sizes, strides)
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{name[:80]}: no tensor: {error}") from None


def _view(storage: Any, offset: Any, sizes: Any, strides: Any) -> NDArray:
    """The tensor; raises ValueError where it reaches out of its storage or repeats elements."""
    if not isinstance(storage, np.ndarray):
        raise ValueError(f"{kind_of(storage)} instead of a storage")
    if not (isinstance(sizes, tuple) and isinstance(strides, tuple)):
        raise ValueError("sizes or strides that are no tuple")
    numbers = (offset, *sizes, *strides)
    if len(sizes) != len(strides) or len(sizes) > 8:
        raise ValueError(f"{len(sizes)} sizes and {len(strides)} strides")
    if not all(type(number) is int and 0 <= number < 1 << 31 for number in numbers):
        raise ValueError("an offset, size or stride that cannot be")
    count = math.prod(sizes)
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if count and (last >= len(storage) or count > len(storage)):
        raise ValueError(f"sizes {sizes} with strides {strides} in {len(storage)} elements")
    if not count:
        return np.zeros(sizes, storage.dtype)
    steps = tuple(stride * storage.itemsize for stride in strides)
    return as_strided(storage[offset:], sizes, steps, writeable=False)
