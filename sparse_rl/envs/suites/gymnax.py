"""gymnax: classic control, MinAtar, bsuite and others, written in JAX.

Options: ``time_limit=N`` (default: the environment's own). MinAtar also has ``sticky=P``, the
probability that the action before is repeated (the original games use 0.1, gymnax and we 0), and
``actions=minimal|full``.
"""

from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from jaxtyping import Array, Float, Int, Key, PyTree

from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.envs.options import Options
from sparse_rl.envs.vector_env import Continuous, Discrete, EnvSpec

_DOWNLOADS_DATA = {"MNISTBandit-bsuite"}


def names(suite: str) -> list[str]:
    """All environments of this suite."""
    return [name for name in gymnax.registered_envs if name not in _DOWNLOADS_DATA]


def make(full_name: str, identifier: str, options: Options, evaluation: bool) -> JaxEnv:
    """Builds one environment; it is the same for training and for evaluation."""
    minatar = identifier.endswith("-MinAtar")
    sticky = options.probability("sticky", 0.0) if minatar else 0.0
    full_actions = minatar and options.choice("actions", "minimal", ("minimal", "full")) == "full"
    settings = {"use_minimal_action_set": False} if full_actions else {}
    environment, parameters = gymnax.make(identifier, **settings)
    own_limit = parameters.max_steps_in_episode
    time_limit = options.positive("time_limit", int(own_limit))
    options.finish()
    # The limit goes to gymnax too (some observations show the time left), in gymnax's own type.
    parameters = parameters.replace(max_steps_in_episode=type(own_limit)(time_limit))

    space = environment.observation_space(parameters)
    categories = space.n if isinstance(space, spaces.Discrete) else None

    def observe(observation: Array) -> Array:
        """Categories become one-hot vectors; MinAtar's planes of zeros and ones are truth."""
        if categories is not None:
            return jax.nn.one_hot(observation, categories)
        return observation > 0 if minatar else observation.astype(jnp.float32)

    def reset_one(key: Key[Array, ""]) -> tuple[PyTree, Array]:
        observation, state = environment.reset_env(key, parameters)
        return state, observe(observation)

    def step_one(key: Key[Array, ""], state: PyTree, action: Array) -> Transition:
        # step_env and not step: step resets at once and hides the time limit in the state.
        observation, state, reward, terminated, _ = environment.step_env(
            key, state, action, parameters
        )
        return Transition(state, observe(observation), reward, terminated)

    shape = jax.eval_shape(reset_one, jax.random.key(0))[1].shape
    spec = EnvSpec(
        name=full_name,
        observation_shape=tuple(shape),
        observation_dtype=np.dtype(bool if minatar else np.float32),
        action=_action(environment.action_space(parameters)),
        time_limit=time_limit,
    )
    env = JaxEnv(spec, reset_one, step_one)
    return with_sticky_actions(env, sticky) if sticky > 0 else env


def with_sticky_actions(env: JaxEnv, probability: float) -> JaxEnv:
    """Repeats the action before with the given probability, independently at every step.

    At the first step of an episode the action before is 0, which does nothing in MinAtar (Young
    and Tian 2019, section 2).
    """

    def reset_one(key: Key[Array, ""]) -> tuple[PyTree, Array]:
        state, observation = env.reset_one(key)
        return (jnp.int32(0), state), observation

    def step_one(key: Key[Array, ""], state: PyTree, action: Int[Array, ""]) -> Transition:
        before, inner = state
        key, coin = jax.random.split(key)
        played = jnp.where(jax.random.bernoulli(coin, probability), before, action)
        moved = env.step_one(key, inner, played)
        return moved._replace(state=(played, moved.state))

    return JaxEnv(env.spec, reset_one, step_one)


def _action(space: Any) -> Continuous | Discrete:
    if isinstance(space, spaces.Discrete):
        return Discrete(int(space.n))
    low, high = _bound(space.low, space.shape), _bound(space.high, space.shape)
    return Continuous(low, high)


def _bound(bound: Float[Array, "..."] | float, shape: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(float(x) for x in np.broadcast_to(np.asarray(bound), shape))
