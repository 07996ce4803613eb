"""Kinds of variants: all that differ in their level alone, which a figure joins by a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from sparse_rl.arithmetics import ARITHMETICS

METHODS = ("gradual",)
"""What comes first where kinds are listed, as `ARITHMETICS` do; others follow by their names."""


class Kind(NamedTuple):
    """A kind of variants. The fields are columns of metrics and of the final table."""

    method: str = "gradual"
    critic_sparsity: float = 0.0
    arithmetic: str = "float32"

    @property
    def has_target(self) -> bool:
        """Whether a level says what is reached, and not the most that the data may choose."""
        return self.method != "adaptive"

    @property
    def label(self) -> str:
        """In a legend: "pruned + int8", "rigl, critics 50 %"."""
        return self._labelled("pruned" if self.method == "gradual" else self.method)

    @property
    def label_by_method(self) -> str:
        """The same where there are several methods: "gradual + int8", "rigl, critics 50 %"."""
        return self._labelled(self.method)

    @property
    def alone(self) -> str:
        """The label of its variant that is not pruned."""
        parts = [*self._method, *self._critics, self._arithmetic("", "")]
        return ", ".join(part for part in parts if part) + " only"

    @property
    def heading(self) -> str:
        """At the beginning of a sentence about its levels."""
        verb = "Pruned" if self.method == "gradual" else f"Pruned by {self.method}"
        return ", ".join([verb, *self._critics]) + self._arithmetic(" with ", " and activations")

    @property
    def heading_alone(self) -> str:
        """At the beginning of a sentence about its variant that is not pruned."""
        parts = [
            "Not pruned",
            *self._method,
            *self._critics,
            self._arithmetic("", " and activations"),
        ]
        return ", ".join(part for part in parts if part)

    @property
    def is_dense(self) -> bool:
        """Whether its variant without sparsity is the dense network."""
        return self.critic_sparsity == 0 and self.arithmetic == "float32"

    def _labelled(self, first: str) -> str:
        return ", ".join([first, *self._critics]) + self._arithmetic(" + ", "")

    @property
    def _method(self) -> list[str]:
        return [] if self.method == "gradual" else [self.method]

    @property
    def _critics(self) -> list[str]:
        return [f"critics {100 * self.critic_sparsity:g} %"] if self.critic_sparsity else []

    def _arithmetic(self, before: str, activations: str) -> str:
        if self.arithmetic == "float32":
            return ""
        if self.arithmetic == "int8w":
            return f"{before}int8 weights"
        if self.arithmetic == "int8" and activations:
            return f"{before}int8 weights{activations}"
        if self.arithmetic == "integer" and activations:
            return f"{before}integer arithmetic"
        return f"{before}{self.arithmetic}"


def kind_of(row: Any) -> Kind:
    """The kind that a row of a table is of."""
    return Kind(*(row[column] for column in Kind._fields))


def kinds(table: pd.DataFrame) -> list[Kind]:
    """All kinds in a table, in the order in which they are listed and drawn."""
    found = {kind_of(row) for row in table[list(Kind._fields)].drop_duplicates().to_dict("records")}
    return sorted(found, key=_order)


def by_kind(table: pd.DataFrame) -> Iterator[tuple[Kind, pd.DataFrame]]:
    """The rows of each kind, in that order."""
    for kind in kinds(table):
        own = pd.Series(True, table.index)
        for column, value in kind._asdict().items():
            own &= table[column] == value
        yield kind, table[own]


def variants(table: pd.DataFrame) -> list[str]:
    """Names of all variants in a table, by kind, then by sparsity."""
    names: list[str] = []
    for _, rows in by_kind(table):
        names += list(rows.sort_values("sparsity", kind="stable")["variant"].unique())
    return names


def _order(kind: Kind) -> tuple[Any, ...]:
    def place(value: str, first: tuple[str, ...]) -> tuple[int, str]:
        return (first.index(value) if value in first else len(first)), value

    return (
        place(kind.method, METHODS),
        kind.critic_sparsity,
        place(kind.arithmetic, ARITHMETICS),
    )
