"""What an environment gives and takes: action spaces, shapes, outcomes of steps; without JAX.

Agents act in [-1, 1] in every continuous dimension; delivered actors, and environments themselves,
in the environment's own units. The two functions here are the only way between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array, Bool, Float, Num


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


def to_env_action(space: Continuous | Discrete, action: Any) -> Any:
    """Clips an agent's action [batch, *action] to [-1, 1] and rescales it to the space's bounds.

    For NumPy's arrays and JAX's, traced ones too.
    """
    xp = action.__array_namespace__()
    if not isinstance(space, Continuous):
        return action.astype(xp.int32)
    low, high = (xp.asarray(bound, dtype=xp.float32) for bound in (space.low, space.high))
    # Centre and half width, because this form is exact for the common bounds [-1, 1].
    scaled = (low + high) / 2 + (high - low) / 2 * xp.clip(action, -1.0, 1.0)
    return xp.clip(scaled, low, high)


def to_agent_action(space: Continuous | Discrete, action: Any) -> Any:
    """The action that `to_env_action` makes into this one: 2 (a - low) / (high - low) - 1.

    Where both bounds are the same, every action does; this one is -1.
    """
    xp = action.__array_namespace__()
    if not isinstance(space, Continuous):
        return action.astype(xp.int32)
    low, high = (xp.asarray(bound, dtype=xp.float32) for bound in (space.low, space.high))
    width = xp.where(high > low, high - low, 1.0)
    return (2 * (action - low) / width - 1).astype(xp.float32)


@dataclass(frozen=True)
class EnvSpec:
    """What an agent and a replay buffer must know about an environment.

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

    @property
    def policy_shape(self) -> tuple[int, ...]:
        """The shape that a policy sees: of one observation, or of the frames on a last axis."""
        stack = (self.frame_stack,) if self.frame_stack > 1 else ()
        return (*self.observation_shape, *stack)


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
