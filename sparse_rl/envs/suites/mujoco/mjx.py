"""Gymnasium's MuJoCo tasks on MuJoCo's simulator in JAX (MJX), for accelerators.

The same models and formulas as `mujoco_host`, in float32. Episodes start from JAX's random numbers,
with the same distribution but not the same values as on the host.
"""

import jax
import jax.numpy as jnp
import mujoco
from jaxtyping import Array, Float, Key
from mujoco import mjx
from mujoco.mjx._src import passive

from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.envs.suites import old_clip
from sparse_rl.envs.suites.mujoco import model as mujoco_model
from sparse_rl.envs.suites.mujoco.model import AS_IT_IS, Altered
from sparse_rl.envs.suites.mujoco.tasks import Physics, Task

old_clip.serve(passive)  # for the swimmer

Inner = dict[str, Array]
"""qpos, qvel, the solver's warm start, and the position on which the next velocity depends."""


def make(full_name: str, task: Task, time_limit: int, altered: Altered = AS_IT_IS) -> JaxEnv:
    """Builds one task."""
    model = mujoco_model.load(task, altered)
    spec = mujoco_model.spec(full_name, task, model, time_limit)
    timestep = float(model.opt.timestep)
    if model.opt.solver == mujoco.mjtSolver.mjSOL_PGS:
        # Humanoid asks for PGS, which MJX does not have; all solvers have the same solution.
        model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    mass = jnp.asarray(model.body_mass, jnp.float32)
    device_model = mjx.put_model(model)
    start_qpos, start_qvel = jnp.asarray(model.qpos0), jnp.zeros(model.nv)

    def load(qpos: Array, qvel: Array, warm_start: Array) -> mjx.Data:
        # Built anew at every step: the state that travels stays small, and XLA sees constants.
        return mjx.make_data(device_model).replace(qpos=qpos, qvel=qvel, qacc_warmstart=warm_start)

    def read(data: mjx.Data) -> Physics:
        position = data.qpos[:2]
        if task.tracked == "torso":
            position = data.xpos[1, :2]
        elif task.tracked == "mass centre":
            position = (mass @ data.xipos)[:2] / mass.sum()
        forces = None
        if task.has_forces:
            inertia, external = data._impl.cinert, data._impl.cfrc_ext
            forces = inertia.ravel(), data.cvel.ravel(), data.qfrc_actuator, external.ravel()
        return Physics(data.qpos, data.qvel, position, forces)

    def keep(data: mjx.Data, physics: Physics) -> Inner:
        return {
            "qpos": data.qpos,
            "qvel": data.qvel,
            "qacc_warmstart": data.qacc_warmstart,
            "position": physics.position,
        }

    def reset_one(key: Key[Array, ""]) -> tuple[Inner, Float[Array, " observation"]]:
        first, second = jax.random.split(key)
        noise = task.noise
        qpos = start_qpos + jax.random.uniform(first, (model.nq,), minval=-noise, maxval=noise)
        if task.normal_velocity:
            kick = noise * jax.random.normal(second, (model.nv,))
        else:
            kick = jax.random.uniform(second, (model.nv,), minval=-noise, maxval=noise)
        data = mjx.forward(device_model, load(qpos, start_qvel + kick, jnp.zeros(model.nv)))
        physics = read(data)
        return keep(data, physics), task.observe(physics, jnp)

    def step_one(key: Key[Array, ""], state: Inner, action: Float[Array, " action"]) -> Transition:
        del key  # the dynamics are deterministic
        data = load(state["qpos"], state["qvel"], state["qacc_warmstart"]).replace(ctrl=action)
        data = jax.lax.fori_loop(0, task.frame_skip, lambda _, d: mjx.step(device_model, d), data)
        if task.has_forces:
            data = mjx.rne_postconstraint(device_model, data)
        physics = read(data)
        return Transition(
            keep(data, physics),
            task.observe(physics, jnp),
            task.reward(state["position"], physics, action, timestep, jnp),
            task.terminated(physics, jnp),
        )

    return JaxEnv(spec, reset_one, step_one)
