"""A population as tensor files: the rows of its members, whatever devices they lie on.

Each process writes the rows of its own members. Rows that only fill up the devices are left out, so
that a run may resume with another number of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from sparse_rl.checkpoints import tensor_file
from sparse_rl.checkpoints.tensor_file import OtherVersionError, Source, Stored
from sparse_rl.population.members import AXIS, Members, Population

MEMORY = "memory"
"""The kind of file that `checkpoint.replay none` leaves out."""

Files = Sequence[tuple[Path, Stored]]
"""Files of one kind, one for each process that wrote, in the order of their members."""


def write(path: Path, kind: str, state: Population, rows: range, compress: bool) -> Stored:
    """Writes this process's part of the `rows` of one kind, `members` or `memory`.

    Raises OSError.
    """
    return tensor_file.write(path, _sources(_part(kind, state), rows), compress)


def read(
    files: Mapping[str, Files], template: Population, members: int, clock: int, mesh: Mesh
) -> Population:
    """The population of the first `members` rows of `files`, its memories empty if not among them.

    `template` gives names and shapes, with the members that fill up the devices of `mesh`; these
    become copies of the first. Raises `CorruptFileError`, and `OtherVersionError` where the files
    are whole and not of such members.
    """
    parts = _load(_part("members", template), files["members"], members, mesh)
    memory = template.members.memory
    if MEMORY in files:
        memory = _load(memory, files[MEMORY], members, mesh)
    else:
        memory = jax.tree.map(lambda leaf: _empty(leaf, mesh), memory)
    placed = jax.make_array_from_callback(
        (), NamedSharding(mesh, P()), lambda _: np.array(clock, np.int32)
    )
    return Population(Members(**parts, memory=memory), placed)


def _part(kind: str, population: Population) -> Any:
    if kind == MEMORY:
        return population.members.memory
    return {k: part for k, part in population.members._asdict().items() if k != "memory"}


def _sources(tree: Any, rows: range) -> dict[str, Source]:
    """This process's part of the rows of every array."""
    return {name: _source(_as_words(leaf), rows) for name, leaf in _named(tree)}


def _source(leaf: jax.Array, rows: range) -> Source:
    shards = sorted(leaf.addressable_shards, key=_first_row)
    count = sum(len(range(shard.data.shape[0])[_within(shard, rows)]) for shard in shards)

    def parts() -> Iterator[np.ndarray]:
        for shard in shards:
            yield np.asarray(shard.data)[_within(shard, rows)]

    return Source((count, *leaf.shape[1:]), np.dtype(leaf.dtype), parts)


def _within(shard: Any, rows: range) -> slice:
    """Where in a shard those of the `rows` are that it has."""
    first = _first_row(shard)
    return slice(max(0, rows.start - first), max(0, rows.stop - first))


def _first_row(shard: Any) -> int:
    return shard.index[0].start or 0


def _load(tree: Any, files: Files, members: int, mesh: Mesh) -> Any:
    """The tree whose rows are the first of all files, one after the other."""
    readers = [tensor_file.read(path, stored, path.suffix == ".zst") for path, stored in files]
    leaves = []
    for name, leaf in _named(tree):
        found = [next(reader, None) for reader in readers]
        parts = [part[1] for part in found if part is not None and part[0] == name]
        shape = jax.eval_shape(_as_words, leaf).shape[1:]
        if len(parts) != len(readers) or any(part.shape[1:] != shape for part in parts):
            for _ in itertools.chain(*readers):
                pass  # if the files are damaged that is what is wrong
            raise OtherVersionError(
                f"{files[0][0]}: does not hold {name} with rows of shape {shape}"
            )
        rows = np.concatenate(parts) if len(parts) > 1 else parts[0]
        leaves.append(_place(rows[:members], leaf, mesh))
    for reader, (path, _) in zip(readers, files, strict=True):
        if next(reader, None) is not None:  # also checks the sum
            raise OtherVersionError(f"{path}: holds more than a population")
    return jax.tree.unflatten(jax.tree.structure(tree), leaves)


def _place(rows: np.ndarray, leaf: jax.ShapeDtypeStruct, mesh: Mesh) -> jax.Array:
    """An array on the devices of `mesh`; where rows are missing the first one is copied."""
    words = jax.eval_shape(_as_words, leaf)

    def part(index: tuple[slice, ...] | None) -> np.ndarray:
        wanted = np.arange(words.shape[0])[index[0] if index else slice(None)]
        if wanted[-1] < len(rows):
            return rows[wanted[0] : wanted[-1] + 1]
        return rows[np.where(wanted < len(rows), wanted, 0)]

    placed = jax.make_array_from_callback(words.shape, NamedSharding(mesh, P(AXIS)), part)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(placed)
    return placed


def _empty(leaf: jax.ShapeDtypeStruct, mesh: Mesh) -> jax.Array:
    sharding = NamedSharding(mesh, P(AXIS))
    return jax.jit(lambda: jnp.zeros(leaf.shape, leaf.dtype), out_shardings=sharding)()


def _as_words(leaf: jax.Array) -> jax.Array:
    """Random keys as the integers that they are; all else unchanged."""
    typed = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if typed else leaf


def _named(tree: Any) -> list[tuple[str, Any]]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in flat]
