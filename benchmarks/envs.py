"""Steps per second of the environments: alone, beside their own library, and inside training.

    python -m benchmarks.envs --json results/envs/steps_per_second.json
    python -m benchmarks.envs --only mujoco/Hopper-v4?impl=host --batch 1 10 80
    python -m benchmarks.envs --training --json results/envs/inside_training.json

Alone: random actions in one jitted loop, everything included that a training step would pay: keys,
time limit, resets and, for environments on the host, the way there and back. *Library*: the vector
environment of Gymnasium or ALE with the same number of environments, in a plain Python loop.

Inside training (`--training`): SAC with an update per step and member, once with the paper's
2 x 256 units and batch 256, where the environment is lost in the noise of the updates, and once
with 2 x 32 units and batch 16, where it is not. With the environment, and again with one that does
next to nothing but has the same shapes. The *difference* is what the environment costs there, to
be compared with the environment *alone*: *over alone* is their ratio; we want at most 1.25.
Where updates take almost all of the time, it is noise. All in milliseconds per step of all members;
*processor* adds up the cores.
"""

import time
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from sparse_rl.config.experiment import Config
from sparse_rl.environment_name import taken_apart
from sparse_rl.envs import Continuous, EnvSpec, Outcome, VectorEnv, make
from sparse_rl.population import chunks
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.study.preparation import prepare

NAMES = [
    "gymnax/Pendulum-v1",
    "gymnax/CartPole-v1",
    "gymnax/Breakout-MinAtar",
    "gymnax/Seaquest-MinAtar",
    "brax/hopper",
    "brax/halfcheetah",
    *(
        f"mujoco/{task}-v4?impl=host"
        for task in ("HalfCheetah", "Hopper", "Walker2d", "Ant", "Humanoid", "Swimmer")
    ),
    "mujoco/HalfCheetah-v4?impl=mjx",
    "mujoco/Hopper-v4?impl=mjx",
    "gymnasium/LunarLander-v3",
    "atari/Pong",
]


def random_walk(env: VectorEnv, batch: int, steps: int) -> tuple[Any, Any]:
    """A function from state to state, `steps` random steps of each environment; its first state."""
    space = env.spec.action

    def draw(key: jax.Array) -> jax.Array:
        if isinstance(space, Continuous):
            return jax.random.uniform(key, (batch, len(space.low)), minval=-1.0)
        return jax.random.randint(key, (batch,), 0, space.n)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        key, state, total = carry
        key, now = jax.random.split(key)
        state, out = env.step(state, draw(now))
        # What nobody uses would not be computed.
        total += out.reward.sum() + out.observation.astype(jnp.float32).mean()
        return (key, state, total), None

    def walk(carry: Any) -> Any:
        return jax.lax.scan(step, carry, None, length=steps)[0]

    state, _ = jax.jit(env.reset)(jax.random.split(jax.random.key(0), batch))
    return walk, (jax.random.key(1), state, jnp.float32(0))


def alone(name: str, batch: int, repeats: int, seconds: float = 0.3) -> harness.Timing:
    """Seconds per step of the whole batch, with as many steps in a loop as take `seconds`."""
    env = make(name)
    steps = 20
    walk, state = random_walk(env, batch, steps)
    timing, state = harness.measure_steps(jax.jit(walk), state, repeats=1)
    steps = max(20, int(steps * seconds / timing.median))
    walk, _ = random_walk(env, batch, steps)
    timing, _ = harness.measure_steps(jax.jit(walk), state, repeats)
    each = {k: getattr(timing, k) / steps for k in ("median", "fastest", "slowest", "processor")}
    return timing._replace(**each)


def library(name: str, batch: int, seconds: float = 1.0) -> float | None:
    """Seconds per step of the whole batch in the library's own vector environment."""
    suite, identifier, _ = taken_apart(name)
    if suite not in ("mujoco", "gymnasium", "atari"):
        return None
    import gymnasium

    if suite == "atari":
        from ale_py.vector_env import AtariVectorEnv

        rom = "".join("_" + c.lower() if c.isupper() else c for c in identifier).lstrip("_")
        vector: Any = AtariVectorEnv(rom, batch, episodic_life=True)
    else:
        vector = gymnasium.make_vec(identifier, batch, vectorization_mode="sync")
    vector.reset(seed=0)
    vector.action_space.seed(0)
    actions = [vector.action_space.sample() for _ in range(100)]
    start, count, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < seconds:
        vector.step(actions[count % len(actions)])
        count += 1
        elapsed = time.perf_counter() - start
    return elapsed / count


@dataclass(frozen=True)
class Still:
    """An environment that computes next to nothing: waves, whatever one does.

    Not zeros: with nothing to learn, gradients become denormal numbers, which are slow.
    """

    spec: EnvSpec

    def reset(self, keys: Any) -> tuple[Any, Any]:
        phase = jnp.arange(keys.shape[0], dtype=jnp.float32)
        return phase, self._observation(phase)

    def step(self, state: Any, action: Any) -> tuple[Any, Outcome]:
        phase = state + 1.0
        no = jnp.zeros(phase.shape, bool)
        return phase, Outcome(self._observation(phase), jnp.sin(phase), no, no, ~no)

    def _observation(self, phase: jax.Array) -> jax.Array:
        shape = self.spec.observation_shape
        entries = jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)
        waves = jnp.sin(entries + phase.reshape(-1, *[1] * len(shape)))
        return waves.astype(self.spec.observation_dtype)


def in_training(name: str, members: int, width: int, batch: int, repeats: int) -> dict[str, Any]:
    """One row: SAC with the environment, with one that does nothing, and the environment alone.

    The three take turns, so that other users of the machine disturb them alike.
    """
    config = replace(Config(), environment=name, seeds=members, devices=1)
    network: Any = config.network
    config = replace(
        config,
        replay=replace(config.replay, capacity=20_000, batch_size=batch),
        network=replace(network, hidden=(width, width)),
    )
    iterations = 20 if width >= 256 else 200
    prepared = prepare(config)
    runs: list[list[Any]] = []
    for environment in (prepared.environment, Still(prepared.environment.spec)):
        variant = prepared._replace(environment=environment)
        dense = next(phase for phase in variant.phases if phase.name == "dense")
        chunk = chunks.train_chunk(variant.program(dense), variant.mesh)
        cohorts = variant.fresh(dense)

        def trained(state: Cohorts, chunk: Any = chunk) -> Cohorts:
            return state.advanced([chunk] * len(state.parts), iterations)

        runs.append([trained, cohorts])
    walk, state = random_walk(prepared.environment, members, iterations)
    runs.append([jax.jit(walk), state])
    wall, processor = np.zeros((repeats + 1, 3)), np.zeros((repeats + 1, 3))
    for repeat in range(repeats + 1):
        for i, run in enumerate(runs):
            before, before_processor = time.perf_counter(), time.process_time()
            run[1] = jax.block_until_ready(run[0](run[1]))
            wall[repeat, i] = time.perf_counter() - before
            processor[repeat, i] = time.process_time() - before_processor
    row: dict[str, Any] = {"environment": name, "members": members, "units": width}
    for kind, seconds in (("wall", wall), ("processor", processor)):
        each = 1e3 / iterations * seconds[1:]  # the first repeat compiles
        full, still, single = np.median(each, axis=0)
        difference = np.median(each[:, 0] - each[:, 1])
        row[f"{kind}_ms_training"] = float(full)
        row[f"{kind}_ms_without"] = float(still)
        row[f"{kind}_ms_alone"] = float(single)
        row[f"{kind}_ms_difference"] = float(difference)
        row[f"{kind}_difference_over_alone"] = float(difference / single)
    return row


def main() -> None:
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME")
    parser.add_argument("--batch", nargs="+", type=int, default=[10])
    parser.add_argument("--training", action="store_true", help="cost inside SAC's training")
    parser.set_defaults(repeats=5)
    arguments = parser.parse_args()
    rows = []
    if arguments.training:
        host = ["mujoco/HalfCheetah-v4?impl=host", "mujoco/Hopper-v4?impl=host"]
        for name in arguments.only or host:
            for batch in arguments.batch:
                for width, minibatch in ((256, 256), (32, 16)):
                    rows.append(in_training(name, batch, width, minibatch, arguments.repeats))
        harness.report("Environments inside training", rows, arguments.json)
        return
    for name in arguments.only or NAMES:
        for batch in arguments.batch:
            timing = alone(name, batch, arguments.repeats)
            own = library(name, batch)
            rows.append(
                {
                    "environment": name,
                    "batch": batch,
                    "steps_per_s": round(batch / timing.median),
                    "fastest": round(batch / timing.fastest),
                    "slowest": round(batch / timing.slowest),
                    "library_steps_per_s": round(batch / own) if own else "",
                    "processor_us_per_step": 1e6 * timing.processor / batch,
                    "compile_s": timing.compile,
                }
            )
            print(rows[-1], flush=True)
    harness.report("Environments alone", rows, arguments.json)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
