"""Configurations for the tasks of Lu et al. (arXiv 2407.04803): the RL Zoo's numbers, and theirs.

The numbers are a copy, independent of configs/, of DLR-RM/rl-baselines3-zoo at 22e3ff2,
hyperparams/{ppo,trpo,td3,ddpg,sac}.yml, under our names; what is not named there is
Stable-Baselines3's or SB3-contrib's default.
"""

import math
from typing import Any

import pytest

from sparse_rl import envs
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import load_config
from sparse_rl.spaces import Continuous

TASKS = ["HalfCheetah", "Hopper", "Ant", "Humanoid", "HumanoidStandup"]
LONG = ("Humanoid", "HumanoidStandup")
LARGE = {"network.hidden": (256, 256), "network.activation": "relu", "log_std": -2.0}
SMALL = {"network.hidden": (64, 64), "network.activation": "tanh", "log_std": 0.0}
PPO_KEYS = (
    "rollout_steps",
    "batch_size",
    "epochs",
    "learning_rate",
    "discount",
    "gae_lambda",
    "clip",
    "entropy_coefficient",
    "value_coefficient",
    "gradient_clip",
)
PPO: dict[str, tuple[float, ...]] = {
    "HalfCheetah": (512, 64, 20, 2.0633e-5, 0.98, 0.92, 0.1, 0.000401762, 0.58096, 0.8),
    "Hopper": (512, 32, 5, 9.80828e-5, 0.999, 0.99, 0.2, 0.00229519, 0.835671, 0.7),
    "Ant": (2048, 64, 10, 3e-4, 0.99, 0.95, 0.2, 0.0, 0.5, 0.5),
    "Humanoid": (512, 256, 5, 3.56987e-5, 0.95, 0.9, 0.3, 0.00238306, 0.431892, 2.0),
    "HumanoidStandup": (512, 32, 20, 2.55673e-5, 0.99, 0.9, 0.3, 3.62109e-6, 0.430793, 0.7),
}
TRPO = SMALL | {
    "agent.rollout_steps": 1024,
    "training.environments": 2,
    "agent.batch_size": 128,
    "agent.discount": 0.99,
    "agent.gae_lambda": 0.95,
    "agent.sub_sampling": 1,
    "agent.cg_steps": 25,
    "agent.cg_damping": 0.1,
    "agent.value_epochs": 20,
    "agent.learning_rate": 1e-3,
}
OFF_POLICY = {
    "training.environments": 1,
    "training.learning_starts": 10_000,
    "training.train_frequency": 1,
    "training.gradient_steps": 1,
    "replay.capacity": 1_000_000,
    "replay.batch_size": 256,
    "agent.discount": 0.99,
    "agent.tau": 0.005,
    "network.activation": "relu",
    "network.normalize": False,
}
TD3 = OFF_POLICY | {
    "agent.learning_rate": 1e-3,
    "agent.exploration_noise": 0.1,
    "network.hidden": (400, 300),
}
NORMALIZED = {"network.normalize": True, "agent.normalize_rewards": True}


def numbers() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for task in TASKS:
        name, millions = f"{task.lower()}_v4", 2 if task in LONG else 1
        ppo = {f"agent.{key}": x for key, x in zip(PPO_KEYS, PPO[task], strict=True)}
        ppo |= {"training.environments": 1, "millions": 10 if task in LONG else 1}
        found[f"ppo_{name}"] = NORMALIZED | ppo | (SMALL if task == "Ant" else LARGE)
        limit = {"agent.target_kl": 0.04 if task == "HalfCheetah" else 0.01}
        found[f"trpo_{name}"] = NORMALIZED | TRPO | limit | {"millions": millions}
        found[f"td3_{name}"] = TD3 | {"millions": millions, "agent.policy_delay": 2}
        found[f"ddpg_{name}"] = TD3 | {"millions": millions, "agent.policy_delay": 1}
    found["sac_humanoidstandup_v4"] = OFF_POLICY | {
        "agent.learning_rate": 3e-4,
        "network.hidden": (256, 256),
        "millions": 2,
    }
    return found


NUMBERS = numbers()


def value(config: Config, key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", NUMBERS)
def test_the_zoos_hyper_parameters(name: str) -> None:
    config, wanted = load_config(name), dict(NUMBERS[name])
    task = config.environment.removeprefix("mujoco/").removesuffix("-v4")
    assert name == f"{config.agent.name}_{task.lower()}_v4"
    # Whole rollouts: at most a fortieth more than the zoo's steps.
    assert 1 <= config.training.steps / (wanted.pop("millions") * 10**6) <= 1.025
    log_std = wanted.pop("log_std", None)
    assert {key: value(config, key) for key in wanted} == wanted
    if log_std is not None:
        pytest.importorskip("gymnasium")
        box = envs.make(config.environment).spec.action
        assert isinstance(box, Continuous) and set(box.high) == {-low for low in box.low}
        # SB3's is in the environment's units, ours in half widths of its box.
        said = value(config, "agent.initial_log_std") + math.log(box.high[0])
        assert said == pytest.approx(log_std, abs=1e-3)
        assert config.network.initializer == ("uniform" if log_std == -2 else "orthogonal")
