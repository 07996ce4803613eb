"""What a sparsity method costs: time of an update, time of a mask update, memory; beside dense.

    python -m benchmarks.methods [--members 10] [--repeats 7] [--methods rigl ste] [--json FILE]

SAC with the paper's networks (256-256, batch 256, a linear environment of HalfCheetah's shape) and
DQN on MinAtar Breakout. Each method trains in two programs, one whose masks never change and one
whose masks change at every update; their difference is a mask update. All programs, and the dense
one, run in turns in one process. "products" counts the matrix products of one update in its jaxpr:
1 says that no gradient is computed twice. Meant for a machine that does nothing else: on others
mask updates, which are differences, can be negative. Most of its time is compiling, two programs
for each method and workload.
"""

import statistics
from typing import Any, NamedTuple

from benchmarks.harness import argument_parser
from sparse_rl.runtime.devices import configure

LEVEL = 0.75
"""Of all methods: 1:4 for n_m."""
NEVER, ALWAYS = 2**30, 1


def main() -> None:
    parser = argument_parser(__doc__.partition("\n")[0] if __doc__ else None)
    parser.set_defaults(repeats=7)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--devices", type=int, default=0, help="0: one per core")
    parser.add_argument("--iterations", type=int, default=60, help="of one timing")
    parser.add_argument("--methods", nargs="+", help="all that are built in, unless given")
    parser.add_argument("--workloads", nargs="+", choices=("sac", "dqn"), default=("sac", "dqn"))
    options = parser.parse_args()
    configure(options.devices)
    measure_all(options)


class Scheduled(NamedTuple):
    """A method whose masks are due at every `interval`, whatever its own schedule says."""

    method: Any
    interval: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.method, name)

    def is_due(self, clock: Any) -> Any:
        return clock % self.interval == 0


def measure_all(options: Any) -> None:
    from benchmarks.harness import report

    rows: list[dict[str, Any]] = []
    for name in options.workloads:
        rows += measure(name, options)
    report(f"Sparsity methods at {LEVEL:.0%}, {options.members} members", rows, options.json)


def measure(workload: str, options: Any) -> list[dict[str, Any]]:
    """One row for dense and one for each method."""
    import jax

    from benchmarks.update import in_turns, stepper
    from benchmarks.workloads import update_flops
    from sparse_rl import registry

    registry.load()
    devices = min(options.devices or len(jax.devices()), options.members)
    # A lottery ticket is trained as static masks are; SAC's networks do not compete.
    left_out = {"lottery", "adaptive"} if workload == "sac" else {"lottery"}
    names = [name for name in options.methods or registry.METHODS.names() if name not in left_out]
    made = {"dense": prepare(workload, None, NEVER, options.members, devices)}
    for name in names:
        for interval in (NEVER, ALWAYS):
            program = prepare(workload, name, interval, options.members, devices)
            made[name if interval == NEVER else f"{name}, due"] = program
    held = {name: bytes_of(program) for name, program in made.items()}
    flops = {name: learn_flops(program) for name, program in made.items()}
    runs = {name: stepper(program, options.iterations) for name, program in made.items()}
    timings = in_turns(runs, options.repeats)
    ms = {name: statistics.median(t) / options.iterations * 1e3 for name, t in timings.items()}
    dense = ms["dense"]
    rows = []
    for name in ("dense", *names):
        due = ms.get(f"{name}, due", ms[name]) - ms[name]
        rows.append({
            "workload": {"sac": "SAC 256-256", "dqn": "DQN MinAtar"}[workload],
            "method": name,
            "update, to dense": ms[name] / dense,
            "mask update, to a dense update": due / dense,
            "products, to dense": flops[name] / flops["dense"],
            "networks, to dense": held[name] / held["dense"],
            "ms per update": ms[name],
            "ms per mask update": due,
            "slowest / fastest": max(timings[name]) / min(timings[name]),
            "networks kB per member": held[name] / options.members / 1e3,
            "GFLOP per member": update_flops(made[name]) / 1e9,
        })  # fmt: skip
    return rows


def prepare(workload: str, name: str | None, interval: int, members: int, devices: int) -> Any:
    """A population after its random steps, of one method at LEVEL or dense."""
    from benchmarks import workloads
    from sparse_rl import registry
    from sparse_rl.config.experiment import to_mapping
    from sparse_rl.config.reading import from_mapping, load_config
    from sparse_rl.envs import make

    if workload == "sac":
        values, environment = dict(workloads.SAC_PAPER), workloads.halfcheetah_shaped()
    else:
        config = load_config("dqn_breakout_minatar")
        values, environment = to_mapping(config), make(config.environment)
        values["replay"]["capacity"] = 20_000
    if name == "adaptive":
        updates = interval * values["training"]["train_frequency"]
        values["agent"]["target_interval"] = min(updates, NEVER)
    methods = [name] if name else ["gradual"]
    values["sparsity"] = {"methods": methods, "levels": [0, LEVEL], "interval": 1_000}
    config = from_mapping(values)
    method = None
    if name is not None:
        method = registry.METHODS.implementation(name)(config.sparsity.options_of(name), config)
        if name != "adaptive":  # whose masks change with the target
            method = Scheduled(method, interval)
    return workloads.of_config(config, environment, members, devices, method=method, level=LEVEL)


def bytes_of(workload: Any) -> int:
    """Parameters, moments, masks and targets of all members."""
    import jax

    return sum(
        leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(workload.state.members.agent)
    )


def learn_flops(workload: Any) -> int:
    """Matrix products of one update with its mask update."""
    import jax
    import jax.numpy as jnp

    from benchmarks.workloads import matmul_flops
    from sparse_rl.population import chunks

    single = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), workload.state.members
    )
    return matmul_flops(
        lambda m: chunks.learn(
            workload.program,
            m.agent,
            m.memory,
            m.learn_key,
            m.target_counts,
            m.failed,
            jnp.int32(1_000),
        ),
        single,
    )


if __name__ == "__main__":
    main()
