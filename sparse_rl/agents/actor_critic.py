"""The two networks of on-policy agents."""

from __future__ import annotations

from sparse_rl.architecture import (
    ArgMax,
    Clip,
    Dense,
    Network,
    initializer_of,
    observation_of,
    torso,
)
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts, of_precision
from sparse_rl.networks import FlaxNetwork
from sparse_rl.spaces import Discrete, EnvSpec


def actor_and_critic(
    config: Config, spec: EnvSpec, dots: DotProducts
) -> tuple[FlaxNetwork, FlaxNetwork]:
    """Actor and value network: the same torso with weights of their own, in every action space.

    With orthogonal kernels the actor's head has the gain 0.01 and the value's 1 (Andrychowicz et
    al. 2021, arXiv 2006.05990, section 3.2), as in Stable-Baselines3. Only the actor multiplies
    with `dots`.
    """
    observation = observation_of(spec)
    operations = torso(config.network, observation)
    small = initializer_of(config.network, 0.01)
    output: Clip | ArgMax = ArgMax()
    if isinstance(spec.action, Discrete):
        head = Dense("head", spec.action.n, small)
    else:
        head = Dense("mean", len(spec.action.low), small)
        output = Clip(tuple(map(float, spec.action.low)), tuple(map(float, spec.action.high)))
    value = Dense("value", 1, initializer_of(config.network, 1.0))
    actor = Network(observation, operations, (head,), output)
    critic = Network(observation, operations, (value,))
    return FlaxNetwork(actor, dots), FlaxNetwork(critic, of_precision(config.training.precision))
