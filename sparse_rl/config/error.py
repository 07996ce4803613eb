"""The one kind of error that a user can mend: a configuration that cannot be run."""

from __future__ import annotations

import reprlib


class ConfigError(ValueError):
    """A configuration that cannot be run; the message is one printable line that names the key."""

    def __init__(self, message: str) -> None:
        line = " ".join(part.strip() for part in message.splitlines())
        line = "".join(c if c.isprintable() else repr(c).strip("'") for c in line) or "not valid"
        if len(line) > _LONGEST:  # the key at its head and what is allowed at its end matter most
            line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
        super().__init__(line)


_LONGEST = 600


class _Short(reprlib.Repr):
    """Values of any size in a few words; what a file holds may be deep, cyclic or huge."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 2, 60, 60, 40
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 8

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < 4096 else f"{x:#x}"[:20] + "..."


show = _Short().repr
"""A value as it was found, short enough for one line."""
