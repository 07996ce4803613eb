"""The work that every library is given: the same numbers, under the names of the papers."""

from dataclasses import dataclass


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


Settings = SACSettings | DQNSettings

WORK: dict[str, Settings] = {"sac": SACSettings(), "dqn": DQNSettings()}

TINY: dict[str, Settings] = {
    "sac": SACSettings(hidden=(16, 16), batch_size=8, capacity=500, learning_starts=40),
    "dqn": DQNSettings(dense=8, batch_size=4, capacity=500, learning_starts=40),
}
"""Enough to see that every library runs; its rates say nothing."""
