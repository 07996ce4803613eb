"""Numbers and arrays as C99 text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def real(value: float | np.floating) -> str:
    """A float literal that reads back as the same float32."""
    text = f"{float(np.float32(value)):.9g}"
    return (text if any(mark in text for mark in ".en") else text + ".0") + "f"


def array(name: str, element: str, values: Iterable) -> str:
    """A constant array; an empty one gets a zero, because C has no empty arrays."""
    items = [real(v) if element == "float" else str(int(v)) for v in values] or ["0"]
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) > 98:
            lines.append(line)
            line = "   "
        line += f" {item},"
    lines.append(line)
    body = "\n".join(lines).rstrip(",")
    return f"static const {element} {name}[{len(items)}] = {{\n{body}\n}};\n"


def smallest_signed(values: NDArray[np.integer]) -> str:
    """The C type that holds all of them."""
    largest = int(np.abs(values).max(initial=0))
    return "int8_t" if largest < 1 << 7 else "int16_t" if largest < 1 << 15 else "int32_t"


def smallest_unsigned(largest: int) -> str:
    """The C type that holds 0..largest."""
    return "uint8_t" if largest < 1 << 8 else "uint16_t" if largest < 1 << 16 else "uint32_t"
