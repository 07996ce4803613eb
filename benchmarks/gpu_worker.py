"""Measures one case of `benchmarks.gpu_panel` in a process of its own.

It prepares and compiles, writes `@ready`, waits for a line on its standard input, measures while no
other process uses the device, and writes `@` and the result as JSON.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.gpu_cases import LINEAR, Case

Row = dict[str, Any]


def main() -> None:
    case = Case(**json.loads(sys.argv[1]))
    try:
        measurement = prepare(case)
        print("@ready", flush=True)
        if not sys.stdin.readline():
            return  # nobody waits for it any more
        row = measurement()
    except Exception as error:  # one case of many: the others go on
        reason = str(error).strip().splitlines() or [""]
        print("@" + json.dumps({"error": f"{type(error).__name__}: {reason[0]}"[:300]}), flush=True)
        return
    from benchmarks.harness import machine

    print("@" + json.dumps({"row": row, "machine": machine()}), flush=True)


def prepare(case: Case) -> Callable[[], Row]:
    """Compiles all that the case needs; what comes back measures it."""
    import jax

    # As `runtime.devices.exact_products` does in a training.
    jax.config.update("jax_default_matmul_precision", "float32")
    kinds = {
        "peak": peak,
        "training": training,
        "environment": environment_alone,
        "convolution": convolution,
    }
    return kinds[case.kind](case)


def peak(case: Case) -> Callable[[], Row]:
    """Products and copies; a device's own figures are compared with these."""

    def measurement() -> Row:
        from benchmarks.roofline import measured_peak

        found, problems = measured_peak(case.size, case.megabytes, case.repeats)
        return {"peak": found._asdict(), "problems": problems}

    return measurement


def training(case: Case) -> Callable[[], Row]:
    """A chunk: environment step, replay and update of every member."""
    import jax

    from benchmarks.chunks import compile_chunk, time_chunk
    from benchmarks.roofline import counted, reported

    workload = of_case(case)
    frequency = workload.program.agent.steps
    compiled, compile_seconds = compile_chunk(workload.chunk, workload.state)
    memory = compiled.memory_analysis()
    work, by_xla = counted(workload), reported(compiled, frequency)

    def measurement() -> Row:
        timing, _ = time_chunk(
            compiled, compile_seconds, workload.state, case.seconds, case.repeats
        )
        statistics = jax.local_devices()[0].memory_stats() or {}
        return {
            "seconds": timing.median / frequency,
            "fastest": timing.fastest / frequency,
            "slowest": timing.slowest / frequency,
            "compile seconds": compile_seconds,
            "iterations": timing.calls,
            "frequency": frequency,
            "counted": work._asdict(),
            "reported": by_xla._asdict(),
            "state bytes": memory.argument_size_in_bytes,
            "temporary bytes": memory.temp_size_in_bytes,
            "peak bytes": statistics.get("peak_bytes_in_use"),
        }

    return measurement


def of_case(case: Case) -> Any:
    """The case's training program, and a population whose memories are full of waves."""
    import jax
    import numpy as np

    from benchmarks import workloads
    from sparse_rl.dot_products import of_precision
    from sparse_rl.envs import make
    from sparse_rl.population import chunks
    from sparse_rl.population import members as population
    from sparse_rl.population.members import Program
    from sparse_rl.study.preparation import build_agent

    environment = (
        workloads.halfcheetah_shaped() if case.environment == LINEAR else make(case.environment)
    )
    agent = build_agent(config_of(case), environment.spec, of_precision(case.precision))
    program = Program(agent, environment, None)
    mesh = population.mesh(jax.devices()[:1])
    counts = {
        name: np.zeros((case.members, len(sizes)), np.int32)
        for name, sizes in workloads.layer_sizes(program).items()
    }
    state = population.init(program, mesh, np.arange(case.members, dtype=np.int32), counts)
    return workloads.Workload(program, mesh, filled(state), chunks.train_chunk(program, mesh))


def config_of(case: Case) -> Any:
    """The configuration of a training case, of as many steps as its environments divide."""
    from sparse_rl.config.reading import from_mapping

    fast = case.environments > 1
    sac = {"name": "sac", "weight_decay": 0 if fast else 1e-4, "critic_layer_norm": fast}
    return from_mapping({
        "agent": sac if case.network == "mlp" else {"name": "dqn"},
        "network": {"torso": case.network, "hidden": list(case.hidden), "normalize": fast},
        "replay": {"capacity": case.capacity, "batch_size": case.batch},
        "training": {
            "steps": 100_000 * case.environments,
            "learning_starts": 1_000 * case.environments,
            "precision": case.precision,
            "train_frequency": 1 if case.network == "mlp" else 4,
            "environments": case.environments,
            "gradient_steps": case.gradient_steps,
        },
        "sparsity": {"interval": 1000 * case.environments},
        "evaluation": {"every": 1000 * case.environments},
    })  # fmt: skip


def filled(state: Any) -> Any:
    """The population with full memories, and the clock to fit: no time is spent on collecting."""
    import jax

    memory = jax.jit(full_of_waves, donate_argnums=0)(state.members.memory)
    _, rows, environments = memory.reward.shape
    clock = state.clock + rows * environments
    return state._replace(members=state.members._replace(memory=memory), clock=clock)


def full_of_waves(memory: Any) -> Any:
    """All replay buffers with valid rows that differ, whose episodes never end."""
    import jax
    import jax.numpy as jnp

    def waves(leaf: Any) -> Any:
        if leaf.dtype == bool:
            return jnp.zeros_like(leaf)
        member = jax.lax.broadcasted_iota(jnp.float32, leaf.shape, 0)
        row = jax.lax.broadcasted_iota(jnp.float32, leaf.shape, 1)
        wave = jnp.sin(0.7 * row + member)
        for axis in range(2, leaf.ndim):
            wave = wave * jnp.cos(jax.lax.broadcasted_iota(jnp.float32, leaf.shape, axis))
        scale = 1.0 if jnp.issubdtype(leaf.dtype, jnp.floating) else 100.0
        return jnp.abs(scale * wave).astype(leaf.dtype)

    full = jax.tree.map(waves, memory)
    # Discrete actions beyond the last would be none.
    discrete = jnp.issubdtype(full.action.dtype, jnp.integer)
    action = full.action % 2 if discrete else full.action
    return full._replace(valid=jnp.ones_like(memory.valid), action=action)


def environment_alone(case: Case) -> Callable[[], Row]:
    """Random actions and nothing else."""
    import jax

    from benchmarks.envs import random_walk
    from benchmarks.harness import measure_steps
    from sparse_rl.envs import make

    steps = 100
    walk, state = random_walk(make(case.environment), case.members, steps)
    walk = jax.jit(walk)
    walk.lower(state).compile()  # once more in the measurement, from memory

    def measurement() -> Row:
        timing, _ = measure_steps(walk, state, case.repeats)
        return {
            "seconds": timing.median / steps,
            "fastest": timing.fastest / steps,
            "slowest": timing.slowest / steps,
            "compile seconds": timing.compile,
        }

    return measurement


def convolution(case: Case) -> Callable[[], Row]:
    """Seconds of an update by each formulation; compiling is part of the measurement."""

    def measurement() -> Row:
        from benchmarks.conv import rows_of

        formulations = ("patches", "lax.conv")
        rows = rows_of(case.network, formulations, case.members, case.batch, case.repeats)
        return {
            "formulations": [
                {
                    "formulation": row["formulation"],
                    "update seconds": row["update ms"] / 1e3,
                    "acting seconds": row["acting us"] / 1e6,
                    "compile seconds": row["compile s"],
                }
                for row in rows
            ]
        }

    return measurement


if __name__ == "__main__":
    main()
