"""Environments that run in Python or C on the host, inside jitted JAX programs.

The whole batch goes through ONE callback. What makes this safe is that the callback is a *pure*
function: everything that a simulator's future depends on travels in and out as arrays. So it may
stand in `jit`, `lax.scan` and `shard_map` (each device calls with its own shard) without tokens
or ordering; a fork is indexing; and a checkpoint of the state is a checkpoint of the world.

A suite supplies one function on NumPy arrays, `advance`. It may keep simulators between calls as
a cache, but its results must depend on its arguments alone.

The callback runs on a thread of the JAX runtime: it must not call JAX, which can deadlock. JAX
itself does so before it calls us: it copies every argument, the large ones (above 100 KiB) on the
very threads that wait for the callback. With as many devices as threads, none is left, and all
stands still. Arguments therefore travel in small pieces, and as few as that allows: each costs JAX
time under the interpreter's lock, where the devices' callbacks wait for each other.
"""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, Num, UInt32

from sparse_rl.envs import episodes, failure
from sparse_rl.envs.episodes import EpisodeState
from sparse_rl.envs.records import Record
from sparse_rl.envs.vector_env import Continuous, EnvSpec, Outcome
from sparse_rl.spaces import to_env_action

Inner = dict[str, Any]
"""The complete states of a batch of simulators: named arrays, NumPy's or JAX's."""


class HostStep(NamedTuple):
    """What one call of `advance` returns, for the whole batch; seen from JAX, JAX arrays."""

    inner: Inner
    observation: Any
    reward: Any
    terminated: Any
    truncated: Any


class Advance(Protocol):
    """Steps or restarts every environment of a batch; a pure function of its arguments."""

    def __call__(
        self,
        inner: Inner,
        seed: UInt32[np.ndarray, " batch"],
        restart: Bool[np.ndarray, " batch"],
        action: Num[np.ndarray, "batch *action"],
    ) -> HostStep:
        """Where `restart` is True, starts an episode from `seed`, and ignores state and action.

        The arrays are read-only. Actions come in the environment's own units.
        """


@dataclass(frozen=True, eq=False)
class HostEnv:
    """A `VectorEnv` whose physics run on the host.

    Attributes:
        spec: the environment's shapes and limits; the time limit is enforced here.
        inner: shape and type of each array of one environment's state.
        advance: the suite's function on NumPy arrays.
    """

    spec: EnvSpec
    inner: dict[str, jax.ShapeDtypeStruct]
    advance: Advance

    def reset(self, keys: Key[Array, " batch"]) -> tuple[EpisodeState, Num[Array, "batch *obs"]]:
        """Starts one episode per key."""
        batch = keys.shape[0]
        keys, now = episodes.split(keys)
        nothing = {k: jnp.zeros((batch, *x.shape), x.dtype) for k, x in self.inner.items()}
        space = self.spec.action
        action = (
            jnp.zeros((batch, len(space.low)))
            if isinstance(space, Continuous)
            else jnp.zeros(batch, jnp.int32)
        )
        fresh = self._call(now, nothing, jnp.ones(batch, bool), action)
        return episodes.begin(keys, fresh.inner), fresh.observation

    def step(
        self, state: EpisodeState, action: Num[Array, "batch *action"]
    ) -> tuple[EpisodeState, Outcome]:
        """Advances every environment by one step, or resets it where its episode had ended."""
        keys, now = episodes.split(state.key)
        moved = self._call(now, state.inner, state.ended, to_env_action(self.spec.action, action))
        return episodes.conclude(
            self.spec,
            state,
            keys,
            moved.inner,
            moved.observation,
            moved.reward,
            moved.terminated,
            moved.truncated,
        )

    def _call(self, now: Array, inner: Any, restart: Array, action: Array) -> HostStep:
        batch = restart.shape[0]

        def result(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((batch, *shape), dtype)

        results = HostStep(
            {k: result(x.shape, x.dtype) for k, x in self.inner.items()},
            result(self.spec.observation_shape, self.spec.observation_dtype),
            result((), np.float32),
            result((), bool),
            result((), bool),
        )
        seed = jax.vmap(lambda key: jax.random.bits(key, (), jnp.uint32))(now)
        arguments = (inner, seed, restart, action)
        given, moved = Record.of(arguments), Record.of(results)
        _workers(), _threads()  # they ask JAX for its devices, which the callback must not
        rows = jax.pure_callback(
            partial(self._on_host, given, moved),
            result((moved.words,), np.uint32),
            *_in_pieces(given.pack(arguments)),
        )
        step: HostStep = moved.unpack(episodes.on_every_device(rows, now))
        return step

    def _on_host(
        self, given: Record, moved: Record, *pieces: Array
    ) -> UInt32[np.ndarray, "batch words"]:
        words = [np.asarray(piece) for piece in pieces]
        rows = (np.concatenate(words) if len(words) > 1 else words[0]).reshape(-1, given.words)
        try:
            step = self.advance(*given.read(rows))
        except failure.EnvironmentFailure as error:
            failure.keep(error)
            raise
        return moved.write(step, len(rows))


_PIECE = 64 * 1024  # bytes
_SHORTEST_SLICE = 4  # environments


def _in_pieces(rows: UInt32[Array, "batch words"]) -> list[UInt32[Array, " words"]]:
    flat, size = rows.ravel(), _PIECE // rows.dtype.itemsize
    return [flat[i : i + size] for i in range(0, flat.size, size)]


def in_threads(work: Callable[[range], None], batch: int) -> None:
    """Calls `work` on slices that cover range(batch), in several threads where there are cores.

    Worth it where the work releases the interpreter's lock, as MuJoCo and ALE do in their steps,
    and where the slices are not too short. More threads than cores would be worse than none: they
    would wait for each other's lock.
    """
    workers = min(_workers(), batch // _SHORTEST_SLICE)
    if workers <= 1:
        work(range(batch))
        return
    bounds = [batch * i // workers for i in range(workers + 1)]
    slices = [range(a, b) for a, b in itertools.pairwise(bounds)]
    futures = [_threads().submit(work, part) for part in slices[1:]]
    work(slices[0])
    for future in futures:
        future.result()


def as_words(values: Float[np.ndarray, "batch n"]) -> UInt32[np.ndarray, "batch words"]:
    """Doubles as pairs of 32-bit words, bit by bit: JAX has no doubles by default."""
    return np.ascontiguousarray(values, np.float64).view(np.uint32)


def as_doubles(words: UInt32[np.ndarray, "batch words"]) -> Float[np.ndarray, "batch n"]:
    """The inverse of `as_words`; the result can be written to."""
    return np.array(words).view(np.float64)


@cache
def _workers() -> int:
    """Threads for one call; each device makes calls of its own, at the same time."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores // jax.local_device_count())


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        _workers() * jax.local_device_count(), thread_name_prefix="environment"
    )
