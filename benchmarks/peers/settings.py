"""The work that every library is given: the same numbers, under the names of the papers."""

from dataclasses import dataclass, replace

from sparse_rl.environment_name import taken_apart


@dataclass(frozen=True)
class SACSettings:
    """SAC on HalfCheetah-v4 (C MuJoCo) as in Ivanov et al. (2024), without weight decay.

    `learning_starts` is shorter than theirs: a rate does not depend on it.
    """

    task: str = "HalfCheetah-v4"
    hidden: tuple[int, ...] = (256, 256)
    batch_size: int = 256
    learning_rate: float = 3e-4
    discount: float = 0.99
    tau: float = 0.005
    capacity: int = 1_000_000
    learning_starts: int = 1_000
    train_frequency: int = 1
    gradient_steps: int = 1


@dataclass(frozen=True)
class DQNSettings:
    """DQN on MinAtar Breakout: one 3x3 convolution without padding, one dense layer, no stickiness.

    Three actions (the minimal set). Exploration is at its last value, as in nine tenths of a run.
    """

    task: str = "Breakout-MinAtar"
    filters: int = 16
    kernel: int = 3
    dense: int = 128
    batch_size: int = 32
    learning_rate: float = 2.5e-4
    discount: float = 0.99
    gradient_clip: float = 10.0
    capacity: int = 100_000
    learning_starts: int = 1_000
    target_interval: int = 1_000
    train_frequency: int = 4
    exploration: float = 0.01


@dataclass(frozen=True)
class PPOSettings:
    """PPO on CartPole in eight environments: the RL Zoo's settings, with a constant step size.

    A policy and a value network of the same sizes, with tanh; nothing is normalized but advantages.
    """

    environment: str = "gymnax/CartPole-v1"
    environments: int = 8
    rollout_steps: int = 32
    hidden: tuple[int, ...] = (64, 64)
    batch_size: int = 256
    epochs: int = 20
    learning_rate: float = 1e-3
    discount: float = 0.98
    gae_lambda: float = 0.8
    clip: float = 0.2
    entropy_coefficient: float = 0.0
    value_coefficient: float = 0.5
    gradient_clip: float = 0.5

    @property
    def task(self) -> str:
        """The environment as gymnasium and rejax name it."""
        return taken_apart(self.environment).task

    @property
    def rollout(self) -> int:
        """Steps of a rollout, all environments together."""
        return self.environments * self.rollout_steps


PENDULUM = PPOSettings(
    environment="gymnax/Pendulum-v1",
    rollout_steps=512,
    batch_size=64,
    epochs=10,
    discount=0.9,
    gae_lambda=0.95,
)
"""The RL Zoo's settings in eight environments instead of four, without state-dependent noise."""

HOPPER = PPOSettings(
    environment="mujoco/Hopper-v4?impl=host",
    rollout_steps=256,
    batch_size=64,
    epochs=10,
    learning_rate=3e-4,
    discount=0.99,
    gae_lambda=0.95,
)
"""Stable-Baselines3's defaults, with its rollout of 2,048 steps shared by eight environments."""

Settings = SACSettings | DQNSettings | PPOSettings

WORK: dict[str, Settings] = {
    "sac": SACSettings(),
    "dqn": DQNSettings(),
    "ppo": PPOSettings(),
    "ppo_pendulum": PENDULUM,
    "ppo_hopper": HOPPER,
}

TINY: dict[str, Settings] = {
    "sac": SACSettings(hidden=(16, 16), batch_size=8, capacity=500, learning_starts=40),
    "dqn": DQNSettings(dense=8, batch_size=4, capacity=500, learning_starts=40),
    "ppo": PPOSettings(hidden=(8, 8), batch_size=64, epochs=2),
    "ppo_pendulum": replace(PENDULUM, hidden=(8, 8), rollout_steps=32, epochs=2),
    "ppo_hopper": replace(HOPPER, hidden=(8, 8), rollout_steps=32, epochs=2),
}
"""Enough to see that every library runs; its rates say nothing."""


def block_of(settings: Settings, least: int) -> int:
    """Steps of a seed for which programs of a fixed length are made: `least`, in whole rollouts."""
    if isinstance(settings, PPOSettings):
        return -(-least // settings.rollout) * settings.rollout
    return least
