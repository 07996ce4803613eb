"""What is compared in a study: one way of compressing a policy, as a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GRADUAL, FLOAT32 = "gradual", "float32"
"""The method and the arithmetic that a name leaves out."""


@dataclass(frozen=True)
class Variant:
    """One way of compressing, that all seeds of a study share.

    Attributes:
        method: the sparsity method, by its name in the registry.
        sparsity: the share of the policy's weights that is to be zero in the end.
        critic_sparsity: the same of the critics.
        arithmetic: float32, int8w (weights), int8 (weights and activations), or integer (the same
            with scales that are fixed).
    """

    method: str = GRADUAL
    sparsity: float = 0.0
    critic_sparsity: float = 0.0
    arithmetic: str = FLOAT32

    @property
    def name(self) -> str:
        """A short name for people, files and columns, such as 0.9-int8; nothing parses it."""
        parts = [
            "" if self.method == GRADUAL else self.method,
            f"{self.sparsity:g}",
            f"critics{self.critic_sparsity:g}" if self.critic_sparsity else "",
            "" if self.arithmetic == FLOAT32 else self.arithmetic,
        ]
        return "-".join(part for part in parts if part)

    @property
    def in_float32(self) -> Variant:
        """The variant from which this one continues if it is quantized; else itself."""
        return dataclasses.replace(self, arithmetic=FLOAT32)

    @property
    def is_dense(self) -> bool:
        """Whether nothing is pruned, whatever the method."""
        return self.sparsity == 0 and self.critic_sparsity == 0

    def level_of(self, network: str) -> float:
        """The sparsity of an agent's network: of `policy`, or of those that are its critics."""
        return self.sparsity if network == "policy" else self.critic_sparsity

    def quantized(self, arithmetic: str) -> Variant:
        """The variant that continues from this one with another arithmetic."""
        return dataclasses.replace(self, arithmetic=arithmetic)

    def to_mapping(self) -> dict[str, Any]:
        """As plain values, for JSON; `from_mapping` goes back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Variant:
        """A variant from plain values. Raises ValueError, one line, where one does not fit."""
        if not isinstance(values, Mapping):
            raise ValueError(f"found {type(values).__name__}; allowed: a mapping")
        known = {field.name: field.default for field in dataclasses.fields(cls)}
        # Runs of before have one more, which was always empty.
        values = {name: value for name, value in values.items() if (name, value) != _NO_MORE}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"{name}: unknown; allowed: {', '.join(known)}")
            if not _fits(value, known[name]):
                raise ValueError(f"{name}: found {value!r}; allowed: {_ALLOWED[name]}")
        numbers = {key: float(values.get(key, 0.0)) for key in ("sparsity", "critic_sparsity")}
        return cls(**{**values, **numbers})


DENSE = Variant()
"""The network that all others are compared with."""

_ALLOWED = {
    "method": "a name",
    "sparsity": "a number from 0 to 1",
    "critic_sparsity": "a number from 0 to 1",
    "arithmetic": "a name",
}
_NO_MORE: tuple[str, Mapping[str, Any]] = ("settings", {})


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and 0 <= value <= 1
    return isinstance(value, str) and value != ""
