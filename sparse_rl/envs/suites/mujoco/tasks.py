"""The MuJoCo tasks of Gymnasium, version 4, as formulas.

What is observed and rewarded, and when an episode ends, as functions of MuJoCo's own quantities.
They are written against an array library `xp` (numpy or jax.numpy), so that one text serves both
simulators: `mujoco_host` (MuJoCo in C) and `mujoco_mjx` (MuJoCo in JAX). The formulas and constants
are those of Gymnasium 1.3's ``*_v4.py``, with their default settings.

A velocity along x is (position after - position before) / (frame_skip x timestep). *Position* is
the first joint for the planar tasks, the torso for Ant and the centre of mass for Humanoid. The
latter two are MuJoCo's derived quantities, which lag behind the joints by a fraction of a
timestep: they must be kept from step to step and not be computed anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Arrays = Any
"""A NumPy or JAX array; leading axes, if any, are the batch."""


class Physics(NamedTuple):
    """What the tasks read from the simulation after a step; [..., n] each.

    Attributes:
        qpos: joint positions.
        qvel: joint velocities.
        position: x and y of what should move forward.
        forces: None, or body inertias, body velocities, actuator forces and external forces
            (MuJoCo's cinert, cvel, qfrc_actuator, cfrc_ext), each flattened.
    """

    qpos: Arrays
    qvel: Arrays
    position: Arrays
    forces: tuple[Arrays, Arrays, Arrays, Arrays] | None


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        xml: name of the model among Gymnasium's assets.
        frame_skip: MuJoCo steps per environment step.
        noise: an episode starts at the model's initial state plus uniform noise in
            [-noise, noise] on positions and on velocities,
        normal_velocity: or plus noise x a standard normal on the velocities.
        unobserved: how many leading positions the policy does not see.
        velocity_limit: observed velocities are clipped to +- this; None: not clipped.
        tracked: what `Physics.position` is.
        has_forces: whether `Physics.forces` is needed.
        forward_weight: reward per m/s along x.
        control_cost: cost per squared actuator input.
        healthy_reward: reward of every step.
        healthy: (qpos, qvel, xp) -> bool; the episode terminates when it is False.
    """

    xml: str
    frame_skip: int
    noise: float
    normal_velocity: bool = False
    unobserved: int = 1
    velocity_limit: float | None = None
    tracked: Literal["joint", "torso", "mass centre"] = "joint"
    has_forces: bool = False
    forward_weight: float = 1.0
    control_cost: float = 1e-3
    healthy_reward: float = 0.0
    healthy: Callable[[Arrays, Arrays, Any], Arrays] | None = None
    stands_up: bool = False

    def observe(self, physics: Physics, xp: Any) -> Arrays:
        """The observation, [..., observation]."""
        velocity = physics.qvel
        if self.velocity_limit is not None:
            velocity = xp.clip(velocity, -self.velocity_limit, self.velocity_limit)
        parts = [physics.qpos[..., self.unobserved :], velocity, *(physics.forces or ())]
        return xp.concatenate(parts, axis=-1)

    def reward(
        self, before: Arrays, physics: Physics, control: Arrays, timestep: float, xp: Any
    ) -> Arrays:
        """The reward of a step, [...].

        Args:
            before: `Physics.position` before the step.
            physics: after the step.
            control: the actuators' inputs during the step.
            timestep: of the model, in seconds.
            xp: numpy or jax.numpy.
        """
        effort = self.control_cost * xp.sum(xp.square(control), axis=-1)
        if self.stands_up:
            assert physics.forces is not None
            impact = xp.minimum(0.5e-6 * xp.sum(xp.square(physics.forces[3]), axis=-1), 10.0)
            return physics.qpos[..., 2] / timestep - effort - impact + 1.0
        seconds = timestep * self.frame_skip
        velocity = (physics.position[..., 0] - before[..., 0]) / seconds
        return self.forward_weight * velocity + self.healthy_reward - effort

    def terminated(self, physics: Physics, xp: Any) -> Arrays:
        """Whether the episode ends here for good, [...]."""
        if self.healthy is None:
            return xp.zeros(physics.qpos.shape[:-1], bool)
        return ~self.healthy(physics.qpos, physics.qvel, xp)


def _hopper_is_healthy(qpos: Arrays, qvel: Arrays, xp: Any) -> Arrays:
    height, angle = qpos[..., 1], qpos[..., 2]
    state = xp.concatenate([qpos[..., 2:], qvel], axis=-1)
    bounded = xp.all((state > -100.0) & (state < 100.0), axis=-1)
    return bounded & (height > 0.7) & (angle > -0.2) & (angle < 0.2)


def _walker_is_healthy(qpos: Arrays, qvel: Arrays, xp: Any) -> Arrays:
    height, angle = qpos[..., 1], qpos[..., 2]
    return (height > 0.8) & (height < 2.0) & (angle > -1.0) & (angle < 1.0)


def _ant_is_healthy(qpos: Arrays, qvel: Arrays, xp: Any) -> Arrays:
    finite = xp.all(xp.isfinite(qpos), axis=-1) & xp.all(xp.isfinite(qvel), axis=-1)
    return finite & (qpos[..., 2] >= 0.2) & (qpos[..., 2] <= 1.0)


def _humanoid_is_healthy(qpos: Arrays, qvel: Arrays, xp: Any) -> Arrays:
    return (qpos[..., 2] > 1.0) & (qpos[..., 2] < 2.0)


TASKS = {
    "HalfCheetah-v4": Task(
        "half_cheetah.xml", frame_skip=5, noise=0.1, normal_velocity=True, control_cost=0.1
    ),
    "Hopper-v4": Task(
        "hopper.xml",
        frame_skip=4,
        noise=5e-3,
        velocity_limit=10.0,
        healthy_reward=1.0,
        healthy=_hopper_is_healthy,
    ),
    "Walker2d-v4": Task(
        "walker2d.xml",
        frame_skip=4,
        noise=5e-3,
        velocity_limit=10.0,
        healthy_reward=1.0,
        healthy=_walker_is_healthy,
    ),
    "Swimmer-v4": Task("swimmer.xml", frame_skip=4, noise=0.1, unobserved=2, control_cost=1e-4),
    "Ant-v4": Task(
        "ant.xml",
        frame_skip=5,
        noise=0.1,
        normal_velocity=True,
        unobserved=2,
        tracked="torso",
        control_cost=0.5,
        healthy_reward=1.0,
        healthy=_ant_is_healthy,
    ),
    "Humanoid-v4": Task(
        "humanoid.xml",
        frame_skip=5,
        noise=1e-2,
        unobserved=2,
        tracked="mass centre",
        has_forces=True,
        forward_weight=1.25,
        control_cost=0.1,
        healthy_reward=5.0,
        healthy=_humanoid_is_healthy,
    ),
    "HumanoidStandup-v4": Task(
        "humanoidstandup.xml",
        frame_skip=5,
        noise=1e-2,
        unobserved=2,
        has_forces=True,
        control_cost=0.1,
        stands_up=True,
    ),
}

TIME_LIMIT = 1000
