"""NumPy's and JAX's arrays out of a pickle's records, decoded here from the recorded arguments.

An array is `_reconstruct(...)` with a state (version, shape, dtype, fortran, bytes), since protocol
5 also `_frombuffer(bytes, dtype, shape, order)`; a scalar is `scalar(dtype, bytes)`; a jax array is
`_reconstruct_array(function, arguments, state, ...)` with the state of a NumPy array. Which module
they say they are of does not matter: it moves between versions, and nothing of it is called.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_rl.importers.inert_pickle import Record

_DTYPES = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
_MOST_AXES = 32


def is_array(value: Any) -> bool:
    """Whether this is the record of an array or of a NumPy scalar."""
    return isinstance(value, Record) and value.called and value.name in _READERS


def array_of(value: Any, what: str) -> NDArray:
    """The array, scalar or Python number that a pickle holds; read-only, without a copy.

    `what` begins the ValueError for anything else, for objects, and for bytes that do not fit.
    """
    try:
        if isinstance(value, bool | int | float):
            return np.asarray(value)
        if not is_array(value):
            raise ValueError(f"found {kind_of(value)}; expected an array")
        return _READERS[value.name](value)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"{what}: {error}") from None


def float32_of(value: Any, what: str) -> NDArray[np.float32]:
    """The same as float32, all of it finite; raises ValueError otherwise."""
    array = value if isinstance(value, np.ndarray) else array_of(value, what)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = np.ascontiguousarray(array, np.float32).reshape(array.shape)
    if not np.isfinite(converted).all():
        raise ValueError(f"{what}: holds a number that is not finite in float32")
    return converted


def dtype_of(value: Any) -> np.dtype:
    """The dtype of a record: of `numpy.dtype("f4")` with its state, or of a class, `numpy.float32`.

    Raises ValueError for anything that is no number or boolean.
    """
    if isinstance(value, str):
        value = Record("numpy", "dtype", (value,))
    if not isinstance(value, Record):
        raise ValueError(f"found {kind_of(value)}; expected a dtype")
    if not value.called:
        code = value.name.rstrip("_")
        allowed = {np.dtype(name).name: np.dtype(name) for name in _DTYPES}
    else:
        (code, *_), allowed = value.arguments, {name: np.dtype(name) for name in _DTYPES}
        allowed |= {dtype.name: dtype for dtype in allowed.values()}
    if not isinstance(code, str) or code.lstrip("<>|=") not in allowed:
        raise ValueError(f"found the dtype {str(code)[:40]!r}; allowed: numbers and booleans")
    found = allowed[code.lstrip("<>|=")]
    order = code[0]
    if isinstance(value.state, tuple) and len(value.state) > 1:
        order = value.state[1]
    return found.newbyteorder(">") if order == ">" else found


def kind_of(value: Any) -> str:
    """What something out of a pickle is, in a few words."""
    return repr(value) if isinstance(value, Record) else f"a {type(value).__name__}"


def _reconstructed(value: Record) -> NDArray:
    return _of_state(value.state)


def _of_jax(value: Record) -> NDArray:
    return _of_state(value.arguments[2])


def _of_state(state: Any) -> NDArray:
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        raise ValueError("an array without its state")
    shape, dtype, fortran, content = state[-4:]
    return _filled(content, dtype_of(dtype), shape, "F" if fortran is True else "C")


def _of_buffer(value: Record) -> NDArray:
    content, dtype, shape, order = value.arguments
    return _filled(content, dtype_of(dtype), shape, "F" if order == "F" else "C")


def _scalar(value: Record) -> NDArray:
    dtype, content = value.arguments
    return _filled(content, dtype_of(dtype), (), "C")


def _filled(content: Any, dtype: np.dtype, shape: Any, order: str) -> NDArray:
    """The bytes as an array; ValueError where the shape needs more of them, or fewer."""
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
        raise ValueError("the shape of an array is no tuple of sizes")
    if not all(type(size) is int and 0 <= size < 1 << 31 for size in shape):
        raise ValueError("the shape of an array is no tuple of sizes")
    data = _bytes(content)
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes for an array {dtype} {shape}")
    array = np.frombuffer(data, dtype)
    return array.reshape(shape, order="F" if order == "F" else "C")


def _bytes(content: Any) -> bytes:
    """Bytes; protocols up to 2 wrote them as a string to be encoded as Latin-1."""
    if isinstance(content, Record) and content.name == "encode" and content.called:
        text = content.arguments[0]
        content = text.encode("latin-1") if isinstance(text, str) else text
    elif isinstance(content, Record) and content.name == "bytes" and content.arguments == ():
        content = b""
    if isinstance(content, Record) and content.name == "bytearray" and content.called:
        return _bytes(content.arguments[0])
    if not isinstance(content, bytes):
        raise ValueError(f"found {kind_of(content)}; expected the bytes of an array")
    return content


_READERS = {
    "_reconstruct": _reconstructed,
    "_frombuffer": _of_buffer,
    "scalar": _scalar,
    "_reconstruct_array": _of_jax,
}
