"""How many bytes of arrays generated C has on its stack, read from its text."""

from __future__ import annotations

import re

_FUNCTION = re.compile(r"^(?:static )?\w+ (\w+)\([^;{]*\)\n\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
ARRAY = re.compile(r"^ +(\w+) (\w+)\[(\w+)\];", re.MULTILINE)
"""Type, name and elements of an array that a function declares."""
BYTES = {"float": 4, "int32_t": 4, "uint32_t": 4, "dot_unsigned": 2, "dot_signed": 2}
BYTES |= {"int16_t": 2, "uint16_t": 2, "int8_t": 1, "uint8_t": 1}
_ALL_ALONG = ("srl_act", "srl_outputs")
"""What is on the stack while a layer is: the functions that call each other down to it."""


def stack_bytes(code: str, outputs: int) -> int:
    """Of `srl_act`: its own arrays, those of what it calls, and those of the largest layer.

    An element whose type differs between compilers counts as the larger one.
    """
    sizes = {
        name: sum(
            BYTES[element] * (outputs if count == "SRL_OUTPUT_SIZE" else int(count))
            for element, _, count in ARRAY.findall(body)
        )
        for name, body in _FUNCTION.findall(code)
    }
    layers = [size for name, size in sizes.items() if name not in _ALL_ALONG]
    return sum(sizes[name] for name in _ALL_ALONG) + max(layers, default=0)
