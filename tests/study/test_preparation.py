"""What cannot be trained is refused before anything compiles, in one line that names the key."""

import pytest

from sparse_rl.config.error import ConfigError
from sparse_rl.config.reading import load_config
from sparse_rl.study.preparation import prepare


def test_a_network_that_does_not_fit_the_observations() -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(load_config("sac_pendulum", network={"torso": "minatar"}))
    assert str(caught.value).startswith("network.torso: found minatar, which does not fit")
    assert "gymnax/Pendulum-v1's observations, of shape [3]" in str(caught.value)


def test_an_environment_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match=r"^environment: .*did you mean gymnax/Pendulum-v1"):
        prepare(load_config("sac_pendulum", environment="gymnax/Pendulum"))
