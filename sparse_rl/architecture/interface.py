"""What networks read and do in an environment."""

from __future__ import annotations

from typing import Protocol

from sparse_rl.architecture.network import Network
from sparse_rl.architecture.operations import ArgMax, Clip, Dense, Observation, Output, Squash
from sparse_rl.architecture.torsos import torso
from sparse_rl.config.interfaces import NetworkOptions
from sparse_rl.spaces import Continuous, EnvSpec


def observation_of(spec: EnvSpec) -> Observation:
    """What a policy reads: frames stacked on the last axis, pixels divided by 255.

    Raises ValueError for observations of another type than float32, bool and uint8.
    """
    name = spec.observation_dtype.name
    if name not in ("float32", "bool", "uint8"):
        raise ValueError(f"{spec.name}: observations of {name}; allowed: float32, bool, uint8")
    divisor = 255.0 if name == "uint8" else 1.0
    return Observation(spec.policy_shape, name, divisor, spec.frame_stack)  # type: ignore[arg-type]


def output_of(spec: EnvSpec) -> Squash | ArgMax:
    """How a policy's outputs become actions, where the agent does not say otherwise."""
    if isinstance(spec.action, Continuous):
        return Squash(tuple(map(float, spec.action.low)), tuple(map(float, spec.action.high)))
    return ArgMax()


def policy_network(options: NetworkOptions, spec: EnvSpec) -> Network:
    """The network of SAC's actor (`mean`, `log_std`) or of DQN (`head`), by the action space."""
    observation = observation_of(spec)
    if isinstance(spec.action, Continuous):
        size = len(spec.action.low)
        heads: tuple[Dense, ...] = (Dense("mean", size), Dense("log_std", size))
    else:
        heads = (Dense("head", spec.action.n),)
    return Network(observation, torso(options, observation), heads, output_of(spec))


class Policy(Protocol):
    """A network or a graph: what it reads, and how an action is made of its outputs."""

    @property
    def observation(self) -> Observation: ...

    @property
    def output(self) -> Output | None: ...

    @property
    def output_shape(self) -> tuple[int, ...]: ...


def check_fits(policy: Policy, spec: EnvSpec) -> None:
    """Raises ValueError where a policy reads or does something else than the environment."""
    observation, output, outputs = policy.observation, policy.output, policy.output_shape[0]
    expected = observation_of(spec)
    if (observation.shape, observation.dtype) != (expected.shape, expected.dtype):
        raise ValueError(
            f"{spec.name}: gives {expected.dtype} {expected.shape}, the actor reads "
            f"{observation.dtype} {observation.shape}"
        )
    if isinstance(spec.action, Continuous):
        fits = not isinstance(output, ArgMax) and outputs == len(spec.action.low)
        taken = f"{len(spec.action.low)} continuous actions"
    else:
        fits = isinstance(output, ArgMax) and outputs == spec.action.n
        taken = f"one of {spec.action.n} actions"
    if not fits:
        raise ValueError(f"{spec.name}: takes {taken}, the actor has {outputs} outputs")


def check_bounds(policy: Policy, spec: EnvSpec) -> None:
    """Raises ValueError where continuous actions have other bounds than the environment's.

    Bounds that differ in float32's last digits are the same. What `check_fits` raises for is not
    looked at.
    """
    output, space = policy.output, spec.action
    if not isinstance(output, Squash | Clip) or not isinstance(space, Continuous):
        return
    bounds = zip(output.low, output.high, space.low, space.high, strict=True)
    for index, (low, high, least, most) in enumerate(bounds):
        near = 1e-6 * (most - least) + 1e-7 * max(abs(least), abs(most))  # half of a last digit
        if abs(low - least) > near or abs(high - most) > near:
            raise ValueError(
                f"{spec.name}: action {index}: found bounds of {low:g} and {high:g}; "
                f"allowed: the environment's, {least:g} and {most:g}"
            )
