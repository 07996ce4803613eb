"""Compiled programs, kept in this process: the same one for the same program and shapes.

A study that is resumed, or trained again, in a notebook for example, compiles nothing anew.
Programs are equal where their agents, environments, methods and meshes are: all of these are plain
data, or made once for each name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from sparse_rl.kept import kept

MOST = 20
"""Programs that are kept, each tens of megabytes: those of one study, its evaluations included."""

Make = Callable[..., Any]
"""From what is static to a function under `jax.jit`."""


def executable(make: Make, static: tuple[Any, ...], arguments: tuple[Any, ...]) -> Any:
    """`make(*static)`, compiled for arguments of these shapes, types and places."""
    leaves, structure = jax.tree.flatten(arguments)
    return _compiled(make, static, structure, tuple(map(_shape, leaves)))


@kept(MOST)
def _compiled(make: Make, static: tuple[Any, ...], structure: Any, shapes: Any) -> Any:
    return make(*static).lower(*jax.tree.unflatten(structure, shapes)).compile()


def forget() -> None:
    """Drops all of them."""
    _compiled.forget()  # type: ignore[attr-defined]


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    if isinstance(leaf, jax.Array):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
    array = np.asarray(leaf)
    return jax.ShapeDtypeStruct(array.shape, array.dtype)
