"""What cannot be trained is refused before anything compiles, in one line that names the key.

And what can be multiplies in the arithmetic of its phase, but for critics, which are not delivered.
"""

from typing import Any

import jax
import numpy as np
import pytest

from sparse_rl.config.error import ConfigError
from sparse_rl.config.reading import from_mapping, load_config
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.quantization import dot_products
from sparse_rl.study.preparation import build_agent, prepare


def test_a_network_that_does_not_fit_the_observations() -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(load_config("sac_pendulum", network={"torso": "minatar"}))
    assert str(caught.value).startswith("network.torso: found minatar, which does not fit")
    assert "gymnax/Pendulum-v1's observations, of shape [3]" in str(caught.value)


def test_an_environment_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match=r"^environment: .*did you mean gymnax/Pendulum-v1"):
        prepare(load_config("sac_pendulum", environment="gymnax/Pendulum"))


@pytest.mark.parametrize("name", ["sac", "td3", "ppo"])
def test_critics_stay_in_float32_when_the_actor_multiplies_in_int8(name: str) -> None:
    config = from_mapping({"agent": {"name": name}, "network": {"hidden": [8]}})
    spec = make(config.environment).spec
    random = np.random.default_rng(0)
    seen, action = (random.normal(size=(6, n)).astype(np.float32) for n in (3, 1))
    actions, values = [], []
    for dots in (FLOAT32, dot_products("int8")):
        agent: Any = build_agent(config, spec, dots)
        state = agent.init(jax.random.key(0))
        actions.append(agent.act(agent.variables(state), seen))
        if name == "ppo":
            values.append(agent.critic.apply(state.value.params, seen)["value"])
        else:
            twins = jax.vmap(agent.critic.apply, (0, None, None))
            values.append(twins(state.critics.params, seen, action))
    np.testing.assert_array_equal(values[0], values[1])
    assert (actions[0] != actions[1]).any()
