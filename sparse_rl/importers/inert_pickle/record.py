"""What stands for everything that a pickle names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False, repr=False, slots=True)
class Record:
    """Something that a pickle names: a global, or an object that a call would have made.

    Attributes:
        module: of the global; empty where what is called is no global.
        name: of the global.
        arguments: of the call; None for the global itself.
        state: what would have been its state; None without one.
        entries: what would have been appended to it, or set in it as pairs.
    """

    module: str
    name: str
    arguments: Any = None
    state: Any = None
    entries: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.module}.{self.name}>"[:100]

    @property
    def called(self) -> bool:
        """Whether it is an object, not the global of that name."""
        return self.arguments is not None
