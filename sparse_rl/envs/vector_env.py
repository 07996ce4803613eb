"""The interface that every environment suite offers to the rest of the program.

Environments are batched by nature: `reset` and `step` take all members at once. They reset on
the step *after* an episode ended (next-step reset, as Gymnasium's vector environments do):

    step i      action used       outcome: last observation, reward, terminated | truncated
    step i + 1  action ignored    outcome: first observation of the next episode, valid=False

So the true last observation of an episode is always seen, and the successor of an observation is
always the observation of the next step.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Array, Bool, Float, Key, Num

State = Any
"""A pytree whose every array leaf has the leading batch axis."""


class Continuous(NamedTuple):
    """A box of actions.

    The bounds are in the environment's own units. Agents act in [-1, 1] in every dimension; the
    environment clips to that range and rescales linearly to the bounds.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


class Discrete(NamedTuple):
    """The actions 0, 1, ..., n - 1."""

    n: int


@dataclass(frozen=True)
class EnvSpec:
    """What an agent and a replay ring must know about an environment.

    Attributes:
        name: the full name, with its options, that `make` understands.
        observation_shape: shape of one observation, without batch axis. For pixels: one frame.
        observation_dtype: float32, bool or uint8: the type in which replay stores it.
        action: the action space.
        time_limit: most steps of one episode; the last of them is `truncated`.
        frame_stack: how many successive observations of one episode the policy sees at once.
            The environment always returns single frames; replay and evaluation stack them.
    """

    name: str
    observation_shape: tuple[int, ...]
    observation_dtype: np.dtype
    action: Continuous | Discrete
    time_limit: int
    frame_stack: int = 1


class Outcome(NamedTuple):
    """What one step of a batch of environments gave.

    Attributes:
        observation: the observation after the step, in `EnvSpec.observation_dtype`.
        reward: the reward of the step; 0 where the step was a reset.
        terminated: the episode ended for good: its value from here on is zero.
        truncated: the time limit cut the episode: bootstrap from `observation`. A last step
            within the limit that also terminates has both flags, as in Gymnasium.
        valid: False where this step was a reset: the action was ignored and the row teaches
            nothing.
    """

    observation: Num[Array, "batch *observation"]
    reward: Float[Array, " batch"]
    terminated: Bool[Array, " batch"]
    truncated: Bool[Array, " batch"]
    valid: Bool[Array, " batch"]


class VectorEnv(Protocol):
    """A batch of independent environments; usable inside `jax.jit`, `lax.scan` and `shard_map`.

    The batch axis belongs to the environment: do not `vmap` it again. Every leaf of `state` has
    the leading batch axis, the random key of each environment among them, so that
    ``tree_map(lambda leaf: leaf[parents], state)`` forks environments exactly, and a stored state
    continues exactly. What happens to one environment depends on its own key and actions alone,
    never on the batch that it is in.
    """

    @property
    def spec(self) -> EnvSpec:
        """The environment's shapes and limits."""

    def reset(self, keys: Key[Array, " batch"]) -> tuple[State, Num[Array, "batch *observation"]]:
        """Starts one episode per key; returns the state and the first observations."""

    def step(self, state: State, action: Num[Array, "batch *action"]) -> tuple[State, Outcome]:
        """Advances every environment by one step, or resets it where its episode had ended."""
