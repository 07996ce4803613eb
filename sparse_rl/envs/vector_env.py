"""The interface that every environment suite offers to the rest of the program.

Environments are batched by nature: `reset` and `step` take all members at once. They reset on
the step *after* an episode ended (next-step reset, as Gymnasium's vector environments do):

    step i      action used       outcome: last observation, reward, terminated | truncated
    step i + 1  action ignored    outcome: first observation of the next episode, valid=False

So the true last observation of an episode is always seen, and the successor of an observation is
always the observation of the next step.
"""

from typing import Any, Protocol

from jaxtyping import Array, Key, Num

from sparse_rl.spaces import Continuous, Discrete, EnvSpec, Outcome

__all__ = ["Continuous", "Discrete", "EnvSpec", "Outcome", "State", "VectorEnv"]

State = Any
"""A pytree whose every array leaf has the leading batch axis."""


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
