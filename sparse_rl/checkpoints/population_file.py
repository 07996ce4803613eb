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
from sparse_rl.population.cohorts import Cohorts, Sizes, begins
from sparse_rl.population.members import AXIS, Members, Population

MEMORY = "memory"
"""The kind of file that `checkpoint.replay none` leaves out."""

Files = Sequence[tuple[Path, Stored]]
"""Files of one kind, one for each process that wrote, in the order of their members."""


def write(path: Path, kind: str, state: Cohorts, rows: range, compress: bool) -> Stored:
    """Writes this process's part of the `rows` of one kind, `members` or `memory`.

    Raises OSError.
    """
    sources = _sources(_parts(kind, state), state.sizes, rows)
    return tensor_file.write(path, sources, compress)


def read(
    files: Mapping[str, Files], template: Cohorts, members: int, clock: int, mesh: Mesh
) -> Cohorts:
    """The first `members` rows of `files`, with empty memories if these are not among them.

    `template` gives names and shapes, with the members that fill up the devices of `mesh`; these
    become copies of the first. Raises `CorruptFileError`, and `OtherVersionError` where the files
    are whole and not of such members.
    """
    found = _load(_parts("members", template), template.sizes, files["members"], members, mesh)
    memories = _parts(MEMORY, template)
    if MEMORY in files:
        memories = _load(memories, template.sizes, files[MEMORY], members, mesh)
    else:
        memories = jax.tree.map(lambda leaf: _empty(leaf, mesh), memories)

    def placed() -> jax.Array:
        # Its own for each cohort: a program takes what it is given.
        return jax.make_array_from_callback(
            (), NamedSharding(mesh, P()), lambda _: np.array(clock, np.int32)
        )

    return Cohorts(
        tuple(
            Population(Members(**part, memory=memory), placed())
            for part, memory in zip(found, memories, strict=True)
        )
    )


def _parts(kind: str, cohorts: Cohorts) -> list[Any]:
    return [_part(kind, part) for part in cohorts.parts]


def _part(kind: str, population: Population) -> Any:
    if kind == MEMORY:
        return population.members.memory
    return {k: part for k, part in population.members._asdict().items() if k != "memory"}


def _sources(parts: Sequence[Any], sizes: Sizes, rows: range) -> dict[str, Source]:
    """This process's part of the rows of every array; `parts` are the cohorts' trees."""
    named = [_named(part) for part in parts]
    return {
        name: _source([_as_words(part[index][1]) for part in named], sizes, rows)
        for index, (name, _) in enumerate(named[0])
    }


def _source(leaves: Sequence[jax.Array], sizes: Sizes, rows: range) -> Source:
    pieces = [
        (shard, _within(shard, int(begin), rows))
        for leaf, begin in zip(leaves, begins(sizes), strict=True)
        for shard in sorted(leaf.addressable_shards, key=_first_row)
    ]
    count = sum(len(range(shard.data.shape[0])[where]) for shard, where in pieces)

    def parts() -> Iterator[np.ndarray]:
        for shard, where in pieces:
            yield np.asarray(shard.data)[where]

    first = leaves[0]
    return Source((count, *first.shape[1:]), np.dtype(first.dtype), parts)


def _within(shard: Any, begin: int, rows: range) -> slice:
    """Where in a shard of a cohort that begins there those of the `rows` are that it has."""
    first = begin + _first_row(shard)
    return slice(max(0, rows.start - first), max(0, rows.stop - first))


def _first_row(shard: Any) -> int:
    return shard.index[0].start or 0


def _load(parts: Sequence[Any], sizes: Sizes, files: Files, members: int, mesh: Mesh) -> list[Any]:
    """The cohorts' trees, whose rows are the first of all files, one after the other."""
    readers = [tensor_file.read(path, stored, path.suffix == ".zst") for path, stored in files]
    leaves: list[list[jax.Array]] = [[] for _ in parts]
    for names in zip(*map(_named, parts), strict=True):
        name, leaf = names[0]
        found = [next(reader, None) for reader in readers]
        stored = [part[1] for part in found if part is not None and part[0] == name]
        shape = jax.eval_shape(_as_words, leaf).shape[1:]
        if len(stored) != len(readers) or any(part.shape[1:] != shape for part in stored):
            for _ in itertools.chain(*readers):
                pass  # if the files are damaged that is what is wrong
            raise OtherVersionError(
                f"{files[0][0]}: does not hold {name} with rows of shape {shape}"
            )
        rows = np.concatenate(stored) if len(stored) > 1 else stored[0]
        for placed, (_, mine), begin in zip(leaves, names, begins(sizes), strict=True):
            placed.append(_place(rows[:members], int(begin), mine, mesh))
    for reader, (path, _) in zip(readers, files, strict=True):
        if next(reader, None) is not None:  # also checks the sum
            raise OtherVersionError(f"{path}: holds more than a population")
    return [
        jax.tree.unflatten(jax.tree.structure(part), placed)
        for part, placed in zip(parts, leaves, strict=True)
    ]


def _place(rows: np.ndarray, begin: int, leaf: jax.ShapeDtypeStruct, mesh: Mesh) -> jax.Array:
    """An array of the rows from `begin` on; where they are missing the first of all is copied."""
    words = jax.eval_shape(_as_words, leaf)

    def part(index: tuple[slice, ...] | None) -> np.ndarray:
        wanted = begin + np.arange(words.shape[0])[index[0] if index else slice(None)]
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
