"""What pydantic found wrong, in one line: the key, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from sparse_rl.config import options
from sparse_rl.config.error import show
from sparse_rl.config.options import Section
from sparse_rl.config.registered import UNKNOWN


def one_line(error: ValidationError, sections: Sequence[Section]) -> str:
    """The first thing that is wrong: its key, what was found and what is allowed.

    `sections` are all that a configuration may hold.
    """
    first = error.errors(include_url=False, include_context=False)[0]
    # Positions in a list say little; a number that was written as a key says all.
    odd_key = first["type"] == "invalid_key"
    path = [str(part) for part in first["loc"] if odd_key or not isinstance(part, int)]
    path = [part for part in path if part != "of_methods"]
    key, found = ".".join(path), show(first["input"])
    message = first["msg"].removeprefix("Value error, ")
    if not path:
        return message
    if first["type"] == UNKNOWN:
        return f"{key}: {message}"
    by_choice = {section.name for section in sections if section.choices}
    chosen = path.pop(1) if path[0] in by_choice and len(path) > 1 else None
    key = ".".join(path)
    if not odd_key and any("." in part for part in path):
        *above, last = key.split(".")
        nested = "".join(f"{part}: {{" for part in above)
        return f"{key}: a dotted key; allowed: {nested}{last}: ...{'}' * len(above)}"
    here = {
        option.name: option
        for section in sections
        if not section.choices or not chosen or chosen in section.choices
        for option in section.options
    }
    below = [name for name in here if name.startswith(f"{key}.")]
    if key in here and not odd_key:
        allowed = here[key].allowed
        if first["type"] == "less_than_equal" and " to " not in allowed:
            allowed += f" and <= {options.LARGEST}"
        return f"{key}: found {found}; allowed: {allowed}"
    if below and first["type"] == "value_error":  # the section's own rule, which names its key
        return f"{key}.{message}"
    if below:
        return f"{key}: found {found}; allowed: its own keys and values, such as {below[0]}"
    near = options.near(key, list(here))
    parent = key.rpartition(".")[0]
    depth = len(path)
    beside = {
        ".".join(name.split(".")[:depth]): None
        for name in here
        if not parent or name.startswith(f"{parent}.")
    }
    choice = f" of {chosen}" if chosen else ""
    allowed = f"near: {', '.join(near)}" if near else f"allowed: {', '.join(beside)}"
    return f"{key}: unknown key{choice}; {allowed}"
