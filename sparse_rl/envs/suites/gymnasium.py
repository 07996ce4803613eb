"""Any environment that is registered with Gymnasium: ``gymnasium/LunarLander-v3``.

For environments of a package that must be imported first: ``gymnasium/package:Id-v0``. The option
``time_limit=N`` is needed for environments that have no limit of their own; what else stands behind
the question mark is read in `gymnasium_simulator`.

Gymnasium has no way to save an arbitrary environment. But an environment that keeps Gymnasium's
contract is determined by the seed of its last reset and the actions since. So these are the
state: the seed, a log of the episode's actions, and a fingerprint of both. The simulator that is
already there is found by its fingerprint and steps on; where there is none, as after a fork or
in a resumed run, another one replays the log.
"""

import hashlib
from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium import spaces

from sparse_rl.environment_name import taken_apart
from sparse_rl.envs import failure
from sparse_rl.envs.host import HostEnv, HostStep, Inner
from sparse_rl.envs.options import Options
from sparse_rl.envs.simulator_pool import SimulatorPool
from sparse_rl.envs.suites.gymnasium_simulator import Recipe, complaints_of, given, recipe_of
from sparse_rl.envs.vector_env import Continuous, Discrete, EnvSpec


def names(suite: str) -> list[str]:
    """All environments of this suite."""
    return list(gymnasium.registry)


def is_outside(identifier: str) -> bool:
    """Whether this is package:Id, which the package registers when it is imported."""
    package, colon, _ = identifier.rpartition(":")
    return bool(colon) and all(part.isidentifier() for part in package.split("."))


def hint(identifier: str) -> str:
    """What an unknown id may have been meant to be."""
    return f"; one that a package of yours registers: gymnasium/my_package:{identifier}"


def make(full_name: str, identifier: str, options: Options, evaluation: bool) -> HostEnv:
    """Builds one environment; it is the same for training and for evaluation."""
    recipe = recipe_of(identifier, options)
    try:
        first = recipe.simulator()
        own_limit = gymnasium.spec(identifier.rpartition(":")[2]).max_episode_steps
    except Exception as error:  # the package's own, too
        own = isinstance(error, gymnasium.error.Error | ImportError)
        reason = " ".join([*([] if own else [f"{type(error).__name__}:"]), *str(error).split()])
        raise ValueError(f"environment {full_name!r} cannot be made: {reason}") from error
    time_limit = recipe.time_limit or own_limit
    if not time_limit:
        limited = f"{full_name}{'&' if '?' in full_name else '?'}time_limit=1000"
        raise ValueError(
            f"environment {full_name!r} has no limit of its own on the steps of an episode; needed "
            f"is one in its name, such as {limited}"
        )
    for name in ("observation_space", "action_space"):
        if getattr(first, name, None) is None:
            raise ValueError(f"environment {full_name!r} has no {name}; needed is one")
    action = _action(full_name, first.action_space)
    spec = EnvSpec(
        name=full_name,
        observation_shape=_observation_shape(full_name, first.observation_space),
        observation_dtype=_observation_dtype(first.observation_space),
        action=action,
        time_limit=time_limit,
        frame_stack=recipe.frame_stack,
    )
    if recipe.frame_stack > 1 and len(spec.observation_shape) > 2:
        raise ValueError(
            f"environment {full_name!r}: observations of shape {spec.observation_shape} cannot be "
            "stacked; frame_stack needs vectors, or frames without colors"
        )
    if isinstance(action, Discrete):
        log = jax.ShapeDtypeStruct((time_limit,), np.int32)
    else:
        log = jax.ShapeDtypeStruct((time_limit, len(action.low)), np.float32)
    inner = {
        "seed": jax.ShapeDtypeStruct((), np.uint32),
        "count": jax.ShapeDtypeStruct((), np.int32),
        "actions": log,
        "fingerprint": jax.ShapeDtypeStruct((2,), np.uint32),
    }
    return HostEnv(spec, inner, _Simulators(spec, recipe, first).advance)


class _Simulators:
    """The environments of one name, for batches of any size."""

    def __init__(self, spec: EnvSpec, recipe: Recipe, first: gymnasium.Env) -> None:
        self.spec = spec
        self.pool = SimulatorPool(
            recipe.simulator, per_environment=1, close=lambda simulator: simulator.close()
        )
        self.pool.put(b"", first)

    def advance(
        self, inner: Inner, seed: np.ndarray, restart: np.ndarray, action: np.ndarray
    ) -> HostStep:
        """Steps or restarts every environment; see `host.Advance`."""
        after = {name: np.array(values) for name, values in inner.items()}
        batch = len(restart)
        self.pool.expect(batch, jax.local_device_count())
        observations: list[Any] = []
        reward = np.zeros(batch, np.float32)
        terminated, truncated = np.zeros(batch, bool), np.zeros(batch, bool)
        for i in range(batch):
            if restart[i]:
                simulator = self.pool.take(after["fingerprint"][i].tobytes()) or self.pool.spare()
                observation = self._reset(simulator, int(seed[i]))
                after["seed"][i], after["count"][i] = seed[i], 0
                mark = _fingerprint(b"", seed[i])
            else:
                count = int(after["count"][i])
                mark = after["fingerprint"][i].tobytes()
                simulator = self.pool.take(mark) or self._replay(
                    int(after["seed"][i]), after["actions"][i, :count]
                )
                observation, reward[i], terminated[i], truncated[i] = self._step(
                    simulator, action[i]
                )
                after["actions"][i, count] = action[i]
                after["count"][i] = count + 1
                mark = _fingerprint(mark, action[i])
            after["fingerprint"][i] = np.frombuffer(mark, np.uint32)
            observations.append(observation)
            self.pool.put(mark, simulator)
        return HostStep(after, np.stack(observations), reward, terminated, truncated)

    def _replay(self, seed: int, actions: np.ndarray) -> gymnasium.Env:
        simulator = self.pool.spare()
        self._reset(simulator, seed)
        for action in actions:
            self._step(simulator, action)
        return simulator

    def _reset(self, simulator: gymnasium.Env, seed: int) -> np.ndarray:
        """Raises `EnvironmentFailure`."""
        try:
            observation, _ = simulator.reset(seed=seed)
            seen = _observed(observation, simulator.observation_space)
        except Exception as error:
            raise failure.of(self.spec.name, "reset", error) from None
        failure.check_shape(self.spec, "reset", seen.shape)
        return seen

    def _step(
        self, simulator: gymnasium.Env, action: np.ndarray
    ) -> tuple[np.ndarray, float, bool, bool]:
        """Raises `EnvironmentFailure`."""
        try:
            given_back = simulator.step(given(action, simulator.action_space))
            if len(given_back) != 5:
                raise TypeError(f"{len(given_back)} results; needed are 5: {_RESULTS}")
            observation, reward, terminated, truncated, _ = given_back
            seen = _observed(observation, simulator.observation_space)
            reward = float(reward)  # type: ignore[arg-type]
        except Exception as error:
            raise failure.of(self.spec.name, "step", error) from None
        failure.check_shape(self.spec, "step", seen.shape)
        return seen, reward, bool(terminated), bool(truncated)


_RESULTS = "observation, reward, terminated, truncated, info"


def complaints(name: str) -> list[str]:
    """What Gymnasium's own checker says of an environment that `make` makes, a line each."""
    return complaints_of(recipe_of(taken_apart(name).task, Options(name)))


def _fingerprint(before: bytes, news: np.ndarray) -> bytes:
    return hashlib.blake2b(before + news.tobytes(), digest_size=8).digest()


def _observed(observation: Any, space: spaces.Space) -> np.ndarray:
    """Gymnasium's observation as ours: categories become one-hot vectors.

    Raises ValueError where the category is none of them.
    """
    if isinstance(space, spaces.Discrete):
        count, number = int(space.n), int(observation) - int(space.start)
        if not 0 <= number < count:
            raise ValueError(f"observation {int(observation)}; declared is {space}")
        seen = np.zeros(count, np.float32)
        seen[number] = 1
        return seen
    return np.asarray(observation)


def _observation_shape(name: str, space: spaces.Space) -> tuple[int, ...]:
    if isinstance(space, spaces.Discrete):
        return (int(space.n),)
    if isinstance(space, spaces.Box | spaces.MultiBinary):
        return tuple(int(n) for n in space.shape)
    parts = isinstance(space, spaces.Dict | spaces.Tuple)
    more = ", and several parts as one vector: add the option flatten=true" if parts else ""
    raise ValueError(
        f"environment {name!r}: observations are {space}; only Box, Discrete and MultiBinary can "
        f"be used{more}"
    )


def _observation_dtype(space: spaces.Space) -> np.dtype:
    if isinstance(space, spaces.MultiBinary):
        return np.dtype(bool)
    return np.dtype(np.uint8 if space.dtype == np.uint8 else np.float32)


def _action(name: str, space: spaces.Space) -> Continuous | Discrete:
    if isinstance(space, spaces.Discrete):
        return Discrete(int(space.n))
    if isinstance(space, spaces.Box) and _is_finite(space):
        low, high = space.low.ravel(), space.high.ravel()
        return Continuous(tuple(float(x) for x in low), tuple(float(x) for x in high))
    raise ValueError(
        f"environment {name!r}: actions are {space}; only Discrete and a Box with finite bounds "
        "can be used"
    )


def _is_finite(space: spaces.Box) -> bool:
    """Whether it can be rescaled to: of bounds that stand for none, 3e38, the width is infinite."""
    with np.errstate(over="ignore"):
        width = space.high.astype(np.float32) - space.low.astype(np.float32)
    return bool(np.isfinite(width).all())
