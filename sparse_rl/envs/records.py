"""A tree of arrays as one array of 32-bit words, the same in JAX and in NumPy, bit by bit.

What JAX hands to a callback costs it some 50 microseconds an array, whatever its size, and all of
it under the interpreter's lock, where devices wait for each other; see `host`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, UInt32

_WORD = 4  # bytes


class Field(NamedTuple):
    """Where one array of an environment stands in its row: the words from `first` up to `last`."""

    number: np.dtype
    shape: tuple[int, ...]
    first: int
    last: int

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Record:
    """How a tree of arrays, all with the batch first, becomes rows of words, one for each element.

    Every array begins at a word of its own. Numbers have 8, 16 or 32 bits.
    """

    structure: Any
    fields: tuple[Field, ...]

    @classmethod
    def of(cls, tree: PyTree) -> Record:
        """For arrays like these, which have a shape and a dtype; the batch may have any length."""
        leaves, structure = jax.tree.flatten(tree)
        fields: list[Field] = []
        for leaf in leaves:
            number, shape = np.dtype(leaf.dtype), tuple(leaf.shape[1:])
            assert number.itemsize <= _WORD
            first = fields[-1].last if fields else 0
            fields.append(
                Field(number, shape, first, first - -prod(shape) * number.itemsize // _WORD)
            )
        return cls(structure, tuple(fields))

    @property
    def words(self) -> int:
        """The length of a row."""
        return self.fields[-1].last if self.fields else 0

    def pack(self, tree: PyTree) -> UInt32[Array, "batch words"]:
        """JAX's arrays in rows."""
        return jnp.concatenate([_to_words(leaf) for leaf in jax.tree.leaves(tree)], axis=1)

    def unpack(self, rows: UInt32[Array, "batch words"]) -> PyTree:
        """The inverse of `pack`."""
        return self.structure.unflatten(
            _from_words(rows[:, field.first : field.last], field) for field in self.fields
        )

    def read(self, rows: UInt32[np.ndarray, "batch words"]) -> PyTree:
        """`unpack` in NumPy: views of `rows`."""
        return self.structure.unflatten(self._places(rows))

    def write(self, tree: PyTree, batch: int) -> UInt32[np.ndarray, "batch words"]:
        """`pack` in NumPy; numbers of another type are converted."""
        rows = np.zeros((batch, self.words), np.uint32)
        leaves = self.structure.flatten_up_to(tree)
        for place, leaf in zip(self._places(rows), leaves, strict=True):
            place[...] = leaf
        return rows

    def _places(self, rows: UInt32[np.ndarray, "batch words"]) -> Iterator[np.ndarray]:
        """Of each array the part of `rows` that holds it."""
        for field in self.fields:
            numbers = rows[:, field.first : field.last].view(field.number)
            yield numbers[:, : field.size].reshape(len(rows), *field.shape)


def _to_words(array: Array) -> UInt32[Array, "batch words"]:
    stored = array.astype(jnp.uint8) if array.dtype == bool else array
    flat = stored.reshape(len(stored), prod(stored.shape[1:]))
    together = _WORD // stored.dtype.itemsize
    if together > 1:
        padded = jnp.pad(flat, ((0, 0), (0, -flat.shape[1] % together)))
        flat = padded.reshape(len(flat), padded.shape[1] // together, together)
    return jax.lax.bitcast_convert_type(flat, jnp.uint32)


def _from_words(words: UInt32[Array, "batch words"], field: Field) -> Array:
    stored = np.dtype(np.uint8) if field.number.kind == "b" else field.number
    numbers = jax.lax.bitcast_convert_type(words, stored)
    flat = numbers.reshape(len(words), prod(numbers.shape[1:]))[:, : field.size]
    return flat.astype(field.number).reshape(len(words), *field.shape)
