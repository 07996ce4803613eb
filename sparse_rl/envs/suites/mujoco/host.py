"""Gymnasium's MuJoCo tasks on MuJoCo's own simulator in C.

Bit for bit the numbers of ``gymnasium.make("...-v4")`` before they are rounded to float32, resets
from a seed included. An environment's state is MuJoCo's: time, qpos, qvel, act and the solver's
warm start, as doubles, and the position on which the next velocity depends.
"""

from queue import SimpleQueue

import jax
import mujoco
import numpy as np
from jaxtyping import Float

from sparse_rl.envs.host import HostEnv, HostStep, Inner, as_doubles, as_words, in_threads
from sparse_rl.envs.suites.mujoco import model as mujoco_model
from sparse_rl.envs.suites.mujoco.model import AS_IT_IS, Altered
from sparse_rl.envs.suites.mujoco.tasks import Physics, Task

_STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS | mujoco.mjtState.mjSTATE_WARMSTART


def make(full_name: str, task: Task, time_limit: int, altered: Altered = AS_IT_IS) -> HostEnv:
    """Builds one task."""
    simulator = _Simulator(task, altered)
    spec = mujoco_model.spec(full_name, task, simulator.model, time_limit)
    words = {"physics": 2 * simulator.size, "position": 4}
    inner = {name: jax.ShapeDtypeStruct((count,), np.uint32) for name, count in words.items()}
    return HostEnv(spec, inner, simulator.advance)


class _Simulator:
    """MuJoCo for a batch: workspaces that any environment's state can be loaded into."""

    def __init__(self, task: Task, altered: Altered) -> None:
        self.task = task
        self.model = mujoco_model.load(task, altered)
        self.size: int = mujoco.mj_stateSize(self.model, _STATE)
        self._workspaces: SimpleQueue[mujoco.MjData] = SimpleQueue()
        fresh = mujoco.MjData(self.model)
        self._start_qpos, self._start_qvel = fresh.qpos.copy(), fresh.qvel.copy()

    def advance(
        self, inner: Inner, seed: np.ndarray, restart: np.ndarray, action: np.ndarray
    ) -> HostStep:
        """Steps or restarts every environment; see `host.Advance`."""
        task, model, batch = self.task, self.model, len(restart)
        states = as_doubles(inner["physics"])
        before = as_doubles(inner["position"])
        tracked = np.zeros((batch, 2))
        forces = self._room_for_forces(batch)

        def work(part: range) -> None:
            data = self._borrow()
            for i in part:
                if restart[i]:
                    self._restart(data, int(seed[i]))
                else:
                    mujoco.mj_setState(model, data, states[i], _STATE)
                    data.ctrl[:] = action[i]
                    mujoco.mj_step(model, data, nstep=task.frame_skip)
                    if forces is not None:
                        mujoco.mj_rnePostConstraint(model, data)
                mujoco.mj_getState(model, data, states[i], _STATE)
                self._track(data, tracked[i])
                if forces is not None:
                    for room, source in zip(forces, _forces(data), strict=True):
                        room[i] = source.ravel()
            self._workspaces.put(data)

        in_threads(work, batch)
        qpos = states[:, 1 : 1 + model.nq]
        qvel = states[:, 1 + model.nq : 1 + model.nq + model.nv]
        position = qpos[:, :2] if task.tracked == "joint" else tracked
        physics = Physics(qpos, qvel, position, forces)
        return HostStep(
            {"physics": as_words(states), "position": as_words(position)},
            task.observe(physics, np),
            task.reward(before, physics, action, model.opt.timestep, np),
            task.terminated(physics, np),
            np.zeros(batch, bool),
        )

    def _borrow(self) -> mujoco.MjData:
        if self._workspaces.empty():
            return mujoco.MjData(self.model)
        return self._workspaces.get()

    def _restart(self, data: mujoco.MjData, seed: int) -> None:
        """Gymnasium's reset: the same generator, and the same draws in the same order."""
        task, model = self.task, self.model
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        mujoco.mj_resetData(model, data)
        data.qpos[:] = self._start_qpos + generator.uniform(-task.noise, task.noise, model.nq)
        if task.normal_velocity:
            kick = task.noise * generator.standard_normal(model.nv)
        else:
            kick = generator.uniform(-task.noise, task.noise, model.nv)
        data.qvel[:] = self._start_qvel + kick
        mujoco.mj_forward(model, data)

    def _track(self, data: mujoco.MjData, position: Float[np.ndarray, "2"]) -> None:
        if self.task.tracked == "torso":
            position[:] = data.xpos[1, :2]  # body 0 is the world, body 1 the torso
        elif self.task.tracked == "mass centre":
            mass = self.model.body_mass
            position[:] = (mass @ data.xipos)[:2] / mass.sum()

    def _room_for_forces(
        self, batch: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
        if not self.task.has_forces:
            return None
        bodies, joints = self.model.nbody, self.model.nv
        widths = (10 * bodies, 6 * bodies, joints, 6 * bodies)
        a, b, c, d = (np.zeros((batch, width)) for width in widths)
        return a, b, c, d


def _forces(data: mujoco.MjData) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return data.cinert, data.cvel, data.qfrc_actuator, data.cfrc_ext
