"""Environments for whole episodes: who is done rests, instead of beginning again.

Episodes that are played side by side end at different times, and the last one may be ten times as
long as most. A simulator on the host is asked row by row, so what rests there costs nothing.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Array, Key, Num

from sparse_rl.envs.disturbed import DisturbedEnv
from sparse_rl.envs.episodes import EpisodeState
from sparse_rl.envs.host import HostEnv, HostStep, Inner
from sparse_rl.envs.vector_env import EnvSpec, Outcome, VectorEnv
from sparse_rl.kept import kept


@kept(8)
def once(environment: VectorEnv) -> VectorEnv:
    """The same environment for one episode of each key; the same one for the same argument.

    Up to the end of an episode nothing differs. After it, `valid` is False, and what is observed
    means nothing: on the host the row rests; in JAX, where a batch is stepped as a whole and a row
    less saves nothing, the environment is the one that was given, which begins again.
    """
    if isinstance(environment, HostEnv):
        return _Once(environment)
    if isinstance(environment, DisturbedEnv):
        return replace(environment, environment=once(environment.environment))
    return environment


@dataclass(frozen=True, eq=False)
class _Once:
    """A `VectorEnv` on the host whose episodes are played once."""

    environment: HostEnv

    @property
    def spec(self) -> EnvSpec:
        return self.environment.spec

    def reset(
        self, keys: Key[Array, " batch"]
    ) -> tuple[EpisodeState, Num[Array, "batch *observation"]]:
        return self.environment.reset(keys)

    def step(
        self, state: EpisodeState, action: Num[Array, "batch *action"]
    ) -> tuple[EpisodeState, Outcome]:
        """Advances every environment whose episode has not ended."""
        resting = replace(self.environment, advance=partial(_advance_who_goes_on, self.environment))
        after, outcome = resting.step(state, action)
        return after._replace(ended=after.ended | state.ended), outcome


def _advance_who_goes_on(
    environment: HostEnv, inner: Inner, seed: np.ndarray, ended: np.ndarray, action: np.ndarray
) -> HostStep:
    """`host.Advance` of the rows whose episode goes on; the others keep their state, and see zeros.

    The host restarts what has ended: here that says who rests.
    """
    spec, batch = environment.spec, len(ended)
    step = HostStep(
        {name: np.array(values) for name, values in inner.items()},
        np.zeros((batch, *spec.observation_shape), spec.observation_dtype),
        np.zeros(batch, np.float32),
        np.zeros(batch, bool),
        np.zeros(batch, bool),
    )
    going = np.flatnonzero(~ended)
    if not len(going):
        return step
    before = {name: values[going] for name, values in inner.items()}
    moved = environment.advance(before, seed[going], ended[going], action[going])
    for name, values in moved.inner.items():
        step.inner[name][going] = values
    for all_rows, rows in zip(step[1:], moved[1:], strict=True):
        all_rows[going] = rows
    return step
