"""Arrays of generated C in a buffer of the caller's, where they are too many for a thread's stack.

A small actor keeps its arrays in its functions, where compilers know best what overlaps what. A
large one, which is a network on images, gets a struct of all arrays in place of them.
"""

from __future__ import annotations

import re

from sparse_rl.artifact.c_source.stack import ARRAY, BYTES

LIMIT = 16_384
"""Bytes of arrays up to which they stay on the stack, as those of most dense networks do."""
_LAYER = re.compile(r"^static void (\w+)\(([^;{]*)\)\n\{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_OUTPUTS = re.compile(
    r"^int srl_outputs\(([^;{]*)\)\n\{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL
)  # fmt: skip
_ACT = re.compile(r"^int srl_act\(([^;{]*)\)\n\{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)


def with_scratch(code: str) -> tuple[str, int]:
    """The same program with its arrays in an `srl_scratch`, and the bytes of it.

    The layers run one after the other, so they share a union.
    """
    needed: dict[str, int] = {}

    def layer(found: re.Match[str]) -> str:
        name, parameters, body = found.groups()
        arrays = ARRAY.findall(body)
        if not arrays:
            return found[0]
        needed[name] = _bytes(arrays)
        taken = f"static void {name}({parameters}, struct {name}_arrays *arrays)\n{{\n"
        return f"{_struct(f'{name}_arrays', arrays)}\n{taken}{_taken(body)}}}\n"

    code = _LAYER.sub(layer, code)
    outputs = _OUTPUTS.search(code)
    assert outputs is not None
    parameters, body = outputs.groups()
    buffers = ARRAY.findall(body)
    size = _bytes(buffers) + max(needed.values(), default=0)
    union = "".join(f"        struct {name}_arrays {name};\n" for name in needed)
    members = _members(buffers) + (f"    union {{\n{union}    }} layer;\n" if needed else "")
    for name in needed:
        body = re.sub(rf"^(    {name}\(.*)\);$", rf"\1, &arrays->layer.{name});", body, flags=re.M)
    code = code.replace(
        outputs[0],
        f"struct srl_arrays {{\n{members}}};\n\n"
        "typedef char srl_scratch_is_large_enough[\n"
        "    sizeof(struct srl_arrays) <= sizeof(srl_scratch) ? 1 : -1];\n\n"
        f"static int outputs_in(struct srl_arrays *arrays, {parameters})\n{{\n{_taken(body)}}}\n\n"
        f"int srl_outputs({parameters})\n{{\n"
        "    srl_scratch scratch;\n"
        "    return outputs_in((struct srl_arrays *)&scratch, observation, outputs);\n}\n",
    )
    return _ACT.sub(_act, code), size


def _act(found: re.Match[str]) -> str:
    parameters, body = found.groups()
    inside = body.replace(
        "srl_outputs(observation", "outputs_in((struct srl_arrays *)scratch, observation"
    )
    return (
        f"int srl_act_in(srl_scratch *scratch, {parameters})\n{{\n{inside}}}\n\n"
        f"int srl_act({parameters})\n{{\n"
        "    srl_scratch scratch;\n"
        "    return srl_act_in(&scratch, observation, action);\n}\n"
    )


def _taken(body: str) -> str:
    """The statements of a function whose arrays are members of `arrays`."""
    for _, name, _ in ARRAY.findall(body):
        body = body.replace(f"sizeof {name})", f"sizeof arrays->{name})")
    return ARRAY.sub(r"    \1 *const restrict \2 = arrays->\2;", body)


def _struct(name: str, arrays: list[tuple[str, str, str]]) -> str:
    return f"struct {name} {{\n{_members(arrays)}}};\n"


def _members(arrays: list[tuple[str, str, str]]) -> str:
    return "".join(f"    {element} {name}[{count}];\n" for element, name, count in arrays)


def _bytes(arrays: list[tuple[str, str, str]]) -> int:
    """Each array rounded up to whole words, so that all of them are aligned."""
    return sum(-(-BYTES[element] * int(count) // 4) * 4 for element, _, count in arrays)
