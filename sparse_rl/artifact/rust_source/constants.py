"""Numbers and arrays as Rust text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def real(value: float | np.floating) -> str:
    """The shortest float literal that reads back as the same float32."""
    return str(np.float32(value))


def numbers(values: Iterable, floats: bool) -> str:
    """The inside of an array, in lines of at most 100 characters."""
    lines, line = [], "   "
    for value in values:
        item = f" {real(value) if floats else int(value)},"
        if len(line) + len(item) > 100:
            lines.append(line)
            line = "   "
        line += item
    return "\n".join([*lines, line])


def array(name: str, element: str, values: NDArray) -> str:
    """A constant array of one axis."""
    inside = numbers(values, element == "f32")
    return f"static {name}: [{element}; {len(values)}] = [\n{inside}\n];\n"


def slice_of(element: str, values: Iterable) -> str:
    """A reference to a constant array."""
    return f"&[\n{numbers(values, element == 'f32')}\n]"


def smallest_signed(values: NDArray[np.integer]) -> str:
    """The Rust type that holds all of them."""
    largest = int(np.abs(values).max(initial=0))
    return "i8" if largest < 1 << 7 else "i16" if largest < 1 << 15 else "i32"


def smallest_unsigned(largest: int) -> str:
    """The Rust type that holds 0..largest."""
    return "u8" if largest < 1 << 8 else "u16" if largest < 1 << 16 else "u32"
