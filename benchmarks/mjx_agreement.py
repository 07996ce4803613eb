"""Do MJX's MuJoCo tasks agree with C MuJoCo's?

    python -m benchmarks.mjx_agreement --out results/envs/mjx_agreement.csv

The host tasks are bit for bit Gymnasium's (tests/envs/suites/mujoco/test_host.py). From them come
trajectories of a random policy. Two comparisons with MJX in float32:

- one step: MJX starts every step from the state that C MuJoCo had there. The errors of one
  step, over all states visited, landings and falls among them.
- free run: MJX starts where the episode starts and runs on alone; contact is chaotic, so errors
  grow. The horizon is the number of steps for which 9 of 10 episodes stay within 1e-2.

Errors of observations are relative to the scale of each entry: |a - b| / (1 + |b|).

Where the two part at contacts (Ant: MJX turns the contact frame of its steep feet differently, and
MuJoCo's friction is not quite the same in all directions), what matters is whether the task is
statistically the same:

    python -m benchmarks.mjx_agreement --random-policy --tasks Ant-v4 --batch 50 \\
        --out results/envs/mjx_random_policy.csv

compares returns and lengths of 1,000 episodes of a random policy, cut at 250 steps (a tenth of
Ant's episodes never end by themselves, and would take most of the time). Half-widths are those of
95 % intervals; the two agree where the difference is within the half-width of its own. On a
core, MJX makes about 130 steps of Ant per second: 1,000 episodes take 20 minutes.
"""

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparse_rl.envs import Continuous, make
from sparse_rl.envs.host import HostEnv, as_doubles
from sparse_rl.envs.jax_env import JaxEnv
from sparse_rl.envs.suites.mujoco import host as mujoco_host
from sparse_rl.envs.suites.mujoco import mjx as mujoco_mjx
from sparse_rl.envs.suites.mujoco.tasks import TASKS, TIME_LIMIT

COLUMNS = [
    "task",
    "transitions",
    "observation_median",
    "observation_99",
    "observation_max",
    "reward_median",
    "reward_99",
    "reward_max",
    "terminated_differently",
    "horizon",
    "seconds",
]


def record(env: HostEnv, episodes: int, steps: int, seed: int) -> dict[str, np.ndarray]:
    """Random-policy trajectories on the host, [steps, episodes, ...]; alive: not yet ended."""
    generator = np.random.default_rng(seed)
    space = env.spec.action
    assert isinstance(space, Continuous)
    low, high = np.array(space.low, np.float32), np.array(space.high, np.float32)
    inner = {k: np.zeros((episodes, *x.shape), x.dtype) for k, x in env.inner.items()}
    seeds = generator.integers(2**31, size=episodes).astype(np.uint32)
    off, on = np.zeros(episodes, bool), np.ones(episodes, bool)
    action = np.zeros((episodes, len(low)), np.float32)
    inner = env.advance(inner, seeds, on, action).inner
    rows, alive = [], on
    for _ in range(steps):
        action = generator.uniform(low, high, (episodes, len(low))).astype(np.float32)
        moved = env.advance(inner, seeds, off, action)
        observation = moved.observation.astype(np.float32)
        rows.append(
            (inner["physics"], inner["position"], action, observation, moved.reward,
             moved.terminated, alive)
        )  # fmt: skip
        alive = alive & ~moved.terminated
        inner = moved.inner
    names = ("physics", "position", "action", "observation", "reward", "terminated", "alive")
    return {
        name: np.stack(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def as_mjx_state(env: JaxEnv, physics: np.ndarray, position: np.ndarray) -> dict[str, jax.Array]:
    """The host's state (time, qpos, qvel, warm start) as MJX's, over any leading axes."""
    one, _ = jax.eval_shape(env.reset_one, jax.random.key(0))
    values = as_doubles(physics.reshape(-1, physics.shape[-1]))
    nq, nv = one["qpos"].shape[0], one["qvel"].shape[0]
    parts = np.split(values, [1, 1 + nq, 1 + nq + nv, 1 + nq + 2 * nv], axis=1)[1:4]
    state = dict(zip(("qpos", "qvel", "qacc_warmstart"), parts, strict=True))
    state["position"] = as_doubles(position.reshape(-1, position.shape[-1]))
    return {name: jnp.asarray(value, jnp.float32) for name, value in state.items()}


def relative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Largest error over the entries of an observation."""
    return (np.abs(a - b) / (1 + np.abs(b))).max(-1)


def compare(name: str, episodes: int, steps: int, seed: int) -> dict[str, object]:
    """One row of the table."""
    start = time.perf_counter()
    host = mujoco_host.make(name, TASKS[name], TIME_LIMIT)
    mjx = mujoco_mjx.make(name, TASKS[name], TIME_LIMIT)
    data = record(host, episodes, steps, seed)
    step = jax.jit(jax.vmap(lambda state, action: mjx.step_one(None, state, action)))

    # One step from every state that was visited before the episode's end.
    errors, rewards, differently = [], [], 0
    state = as_mjx_state(mjx, data["physics"][0], data["position"][0])
    free, held = [], state
    for t in range(steps):
        moved = step(as_mjx_state(mjx, data["physics"][t], data["position"][t]), data["action"][t])
        alive = data["alive"][t]
        errors.append(relative(np.asarray(moved.observation), data["observation"][t])[alive])
        rewards.append(np.abs(np.asarray(moved.reward) - data["reward"][t])[alive])
        differently += int((np.asarray(moved.terminated) != data["terminated"][t])[alive].sum())
        alone = step(held, data["action"][t])
        held = alone.state
        far = relative(np.asarray(alone.observation), data["observation"][t])
        free.append(np.where(alive, far, np.nan))
    error, reward = np.concatenate(errors), np.concatenate(rewards)
    with np.errstate(invalid="ignore"):
        # Episodes that have ended no longer count; they ended within the tolerance or not.
        within = np.array([np.mean((row <= 1e-2)[~np.isnan(row)]) for row in free])
    outside = np.flatnonzero(within < 0.9)
    horizon = int(outside[0]) if len(outside) else steps
    numbers: list[object] = [len(error)]
    numbers += [f"{x:.2e}" for x in (np.median(error), np.quantile(error, 0.99), error.max())]
    numbers += [f"{x:.2e}" for x in (np.median(reward), np.quantile(reward, 0.99), reward.max())]
    seconds = round(time.perf_counter() - start)
    return dict(zip(COLUMNS, [name, *numbers, differently, horizon, seconds], strict=True))


def random_policy(
    name: str, implementation: str, episodes: int, batch: int, seed: int
) -> dict[str, object]:
    """Return and length of the first episodes of a batch under uniformly random actions."""
    start = time.perf_counter()
    env = make(f"mujoco/{name}?impl={implementation}&time_limit=250")
    size = len(env.spec.action.low)  # type: ignore[union-attr]

    @jax.jit
    def chunk(state: Any, key: jax.Array) -> Any:
        def body(state: Any, key: jax.Array) -> Any:
            action = jax.random.uniform(key, (batch, size), minval=-1.0)
            state, out = env.step(state, action)
            return state, (out.reward, out.valid, out.terminated | out.truncated)

        return jax.lax.scan(body, state, jax.random.split(key, 50))

    key = jax.random.key(seed)
    state, _ = jax.jit(env.reset)(jax.random.split(key, batch))
    total, length = np.zeros(batch), np.zeros(batch)
    returns: list[list[float]] = [[] for _ in range(batch)]
    lengths: list[list[float]] = [[] for _ in range(batch)]
    wanted = -(-episodes // batch)  # the same number from each, or short episodes would count more
    while min(map(len, returns)) < wanted:
        key, now = jax.random.split(key)
        state, rows = chunk(state, now)
        for reward, valid, ended in zip(*map(np.asarray, rows), strict=True):
            total, length = total + reward, length + valid
            for i in np.flatnonzero(ended):
                returns[i].append(total[i])
                lengths[i].append(length[i])
                total[i] = length[i] = 0.0
    r = np.array([row[:wanted] for row in returns]).ravel()
    n = np.array([row[:wanted] for row in lengths]).ravel()
    half = 1.96 / np.sqrt(len(r))
    return {
        "task": name,
        "implementation": implementation,
        "episodes": len(r),
        "return_mean": f"{r.mean():.3f}",
        "return_half_interval": f"{half * r.std(ddof=1):.3f}",
        "length_mean": f"{n.mean():.2f}",
        "length_half_interval": f"{half * n.std(ddof=1):.2f}",
        "seconds": round(time.perf_counter() - start),
    }


def difference(host: dict[str, object], mjx: dict[str, object]) -> dict[str, object]:
    """MJX less host, with the half-width of the difference of two independent means."""
    row: dict[str, object] = host | {"implementation": "difference"}
    row["seconds"] = host["seconds"] + mjx["seconds"]  # type: ignore[operator]
    for name in ("return", "length"):
        of_host, of_mjx = (float(each[f"{name}_mean"]) for each in (host, mjx))  # type: ignore
        halves = [float(each[f"{name}_half_interval"]) for each in (host, mjx)]  # type: ignore
        row[f"{name}_mean"] = f"{of_mjx - of_host:.3f}"
        row[f"{name}_half_interval"] = f"{np.hypot(halves[0], halves[1]):.3f}"
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--episodes", type=int, help="default 20; of a random policy 1000")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--random-policy", action="store_true", help="compare whole episodes")
    parser.add_argument("--batch", type=int, default=100, help="of a random policy, at once")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for task in arguments.tasks:
        if arguments.random_policy:
            episodes = arguments.episodes or 1000
            found = [
                random_policy(task, impl, episodes, arguments.batch, arguments.seed)
                for impl in ("host", "mjx")
            ]
            found.append(difference(*found))
        else:
            found = [compare(task, arguments.episodes or 20, arguments.steps, arguments.seed)]
        for row in found:
            print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)
        rows += found
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        with arguments.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
