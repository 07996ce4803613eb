"""Arrays of generated C in a buffer of the caller's, where they are too many for a thread's stack.

A small actor keeps its arrays in its functions, where compilers know best what overlaps what. A
large one, which is a network on images, has all of them in an `srl_scratch`: a struct with an array
of its own type for each, because C lets nobody read as another type what was declared as bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sparse_rl.artifact.c_source.stack import ARRAY, BYTES

LIMIT = 16_384
"""Bytes of arrays up to which they stay on the stack, as those of most dense networks do."""
_LAYER = re.compile(r"^static void (\w+)\(([^;{]*)\)\n\{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(
    r"^int (srl_outputs|srl_act|srl_act_batch)\(([^;{]*)\)\n\{\n(.*?)^\}\n",
    re.MULTILINE | re.DOTALL,
)
_CALLED_BY_ENTRIES = re.compile(r"\b(srl_outputs|srl_act)\(")
_DECLARED_AS = {"dot_unsigned": "int16_t", "dot_signed": "int16_t"}
"""Types that differ between compilers, for whose larger one there is room. The other is a byte,
as which everything may be read."""

_CHECK = """
typedef char srl_scratch_is_no_larger_than_said[
    sizeof(srl_scratch) <= SRL_SCRATCH_BYTES ? 1 : -1];
"""


class Scratch(NamedTuple):
    """What `srl_scratch` holds."""

    members: str
    """Their declarations in C."""
    bytes: int
    """Its size, each array rounded up to whole words, so that all of them are aligned."""


def with_scratch(code: str, outputs: int) -> tuple[str, Scratch]:
    """The same program of so many outputs with its arrays in an `srl_scratch`, and what that holds.

    The layers run one after the other, so they share a union. What acts has a twin whose name ends
    in `_in`, which is given an `srl_scratch`.
    """
    of_layers: dict[str, list[tuple[str, str, str]]] = {}
    of_all: list[tuple[str, str, str]] = []

    def layer(found: re.Match[str]) -> str:
        name, parameters, body = found.groups()
        if not (arrays := ARRAY.findall(body)):
            return found[0]
        of_layers[name] = arrays
        inside = _taken(body, f"scratch->layer.{name}.")
        return f"static void {name}({parameters}, srl_scratch *scratch)\n{{\n{inside}}}\n"

    def entry(found: re.Match[str]) -> str:
        name, parameters, body = found.groups()
        of_all.extend(ARRAY.findall(body))
        for called in of_layers:
            body = re.sub(rf"^(    {called}\(.*)\);$", r"\1, scratch);", body, flags=re.M)
        body = _CALLED_BY_ENTRIES.sub(r"\1_in(scratch, ", _taken(body, "scratch->"))
        given = re.sub(r"[^,]*?(\w+)(?=,|$)", r" \1", parameters)
        return (
            f"int {name}_in(srl_scratch *scratch, {parameters})\n{{\n{body}}}\n\n"
            f"int {name}({parameters})\n{{\n"
            f"    srl_scratch scratch;\n    return {name}_in(&scratch,{given});\n}}\n"
        )

    code = _ENTRY.sub(entry, _LAYER.sub(layer, code))
    size = _bytes(of_all, outputs) + max(
        (_bytes(a, outputs) for a in of_layers.values()), default=0
    )
    structs = "".join(
        f"        struct {{\n{_members(arrays, 12)}        }} {name};\n"
        for name, arrays in of_layers.items()
    )
    union = f"    union {{\n{structs}    }} layer;\n" if structs else ""
    return code + _CHECK, Scratch(_members(of_all, 4) + union, size)


def _taken(body: str, place: str) -> str:
    """The statements of a function whose arrays are at `place` and not its own."""

    def pointer(found: re.Match[str]) -> str:
        element, name, _ = found.groups()
        cast = f"({element} *)" if element in _DECLARED_AS else ""
        return f"    {element} *const restrict {name} = {cast}{place}{name};"

    for _, name, _ in ARRAY.findall(body):
        body = body.replace(f"sizeof {name})", f"sizeof {place}{name})")
    return ARRAY.sub(pointer, body)


def _members(arrays: list[tuple[str, str, str]], indent: int) -> str:
    return "".join(
        f"{' ' * indent}{_DECLARED_AS.get(element, element)} {name}[{count}];\n"
        for element, name, count in arrays
    )


def _bytes(arrays: list[tuple[str, str, str]], outputs: int) -> int:
    counts = [outputs if count == "SRL_OUTPUT_SIZE" else int(count) for *_, count in arrays]
    sizes = [BYTES[element] * n for (element, *_), n in zip(arrays, counts, strict=True)]
    return sum(-(-size // 4) * 4 for size in sizes)
