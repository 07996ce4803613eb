"""Published returns to stand beside ours: Ivanov et al. 2024 (arXiv 2405.07748), SAC on MuJoCo.

Read off the authors' published learning curves: means over their seeds of the pruned actor, before
and after int8 training. Their bands are wide (HalfCheetah: about +-1,500). They hold for
Gymnasium's v4 tasks alone, so no other environment has any.
"""

from __future__ import annotations

from typing import NamedTuple

from sparse_rl.environment_name import taken_apart

STEPS = 1_000_000
"""Environment steps of every published run, before int8."""


class Published(NamedTuple):
    """Mean returns at one sparsity."""

    sparsity: float
    float32: float
    int8: float


_RETURNS: dict[str, tuple[Published, ...]] = {
    "HalfCheetah-v4": (
        Published(0.0, 9718, 9138),
        Published(0.5, 9970, 9398),
        Published(0.8, 9554, 8975),
        Published(0.9, 8599, 8746),
        Published(0.95, 8291, 8695),
        Published(0.98, 7786, 8519),
        Published(0.99, 6983, 7246),
    ),
    "Walker2d-v4": (
        Published(0.0, 4146, 4419),
        Published(0.5, 4210, 4457),
        Published(0.8, 4376, 4422),
        Published(0.9, 4264, 4463),
        Published(0.95, 4228, 4471),
        Published(0.98, 3935, 4510),
        Published(0.99, 3099, 3855),
    ),
    "Hopper-v4": (
        Published(0.0, 2646, 2676),
        Published(0.5, 2913, 2742),
        Published(0.8, 2526, 2462),
        Published(0.9, 2834, 2718),
        Published(0.95, 2965, 2520),
        Published(0.98, 3017, 2832),
        Published(0.99, 2985, 2912),
    ),
    "Ant-v4": (
        Published(0.0, 3301, 4127),
        Published(0.5, 3667, 4244),
        Published(0.8, 3762, 4307),
        Published(0.9, 3593, 3870),
        Published(0.95, 3512, 4054),
        Published(0.98, 3320, 4092),
        Published(0.99, 3108, 3527),
    ),
    "Humanoid-v4": (
        Published(0.0, 4733, 3905),
        Published(0.5, 5036, 4309),
        Published(0.8, 4884, 3738),
        Published(0.9, 4997, 3763),
        Published(0.95, 4952, 3904),
        Published(0.98, 4689, 3737),
        Published(0.99, 3645, 4569),
    ),
    "Swimmer-v4": (
        Published(0.0, 47, 46),
        Published(0.5, 47, 47),
        Published(0.8, 47, 46),
        Published(0.9, 48, 45),
        Published(0.95, 48, 45),
        Published(0.98, 48, 46),
        Published(0.99, 48, 45),
    ),
}


def published_returns(environment: str, agent: str) -> tuple[Published, ...]:
    """The published returns of `mujoco/<task>-v4` with SAC; empty for all else."""
    name = taken_apart(environment)
    return _RETURNS.get(name.task, ()) if (name.suite, agent) == ("mujoco", "sac") else ()
