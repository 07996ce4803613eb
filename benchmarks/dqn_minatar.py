"""DQN on MinAtar Breakout: environment steps per second of the whole population, all included.

    python -m benchmarks.dqn_minatar [--members 1 10 40] [--repeats 7] [--json FILE]

Conv 16 + dense 128, batch 32, one update every 4 steps, as in configs/dqn_breakout_minatar.yaml.
An iteration is four steps of the game, four rows of replay and one update, for every member. The
members are in cohorts, and a timing takes about as long as a chunk of training, a second.

Beside it, in the same turns and on the same devices, what the machine can do: 256x256 products, one
per member, and passes over as many bytes per member as an agent has. The operations of an iteration
at the first rate, and the bytes that it cannot avoid to move at the second (`roofline.counted`),
are the time of a program that does one after the other and nothing else.
"""

import argparse
from pathlib import Path
from typing import Any

from sparse_rl.runtime.devices import configure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--devices", type=int, default=0, help="0: one per core")
    parser.add_argument("--iterations", type=int, default=1000, help="of one timing")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    configure(options.devices)
    measure_all(options)


def measure_all(options: argparse.Namespace) -> None:
    import statistics

    import jax

    from benchmarks import roofline, workloads
    from benchmarks.harness import report
    from benchmarks.update import in_turns, stepper
    from sparse_rl.config.reading import load_config
    from sparse_rl.envs import make

    config = load_config("dqn_breakout_minatar")
    environment = make(config.environment)
    rows: list[dict[str, Any]] = []
    for members in options.members:
        devices = min(options.devices or len(jax.devices()), members)
        workload = workloads.of_config(config, environment, members, devices)
        iterations = max(options.iterations // members * 4, 20)
        run = stepper(workload, iterations)
        agent = roofline.size_in_bytes(workload.state.members.agent) // len(
            workload.state.members.failed
        )
        products = roofline.batched_products(members, workload.mesh)
        passes = roofline.batched_passes(members, workload.mesh, agent)
        runs = {"training": run, "products": products.run, "passes": passes.run}
        taken = in_turns(runs, options.repeats)
        timings = taken["training"]
        operations, moved = roofline.counted(workload)
        rate = products.work / statistics.median(taken["products"])
        bandwidth = passes.work / statistics.median(taken["passes"])
        frequency = config.training.train_frequency
        floor = frequency * (operations / rate + moved / bandwidth)
        steps = iterations * frequency * members
        seconds = statistics.median(timings)
        rows.append({
            "members": members,
            "devices": devices,
            "steps/s": steps / seconds,
            "slowest": steps / max(timings),
            "fastest": steps / min(timings),
            "ms per iteration": seconds / iterations * 1e3,
            "update MFLOP per member": workloads.update_flops(workload) / 1e6,
            "MB per iteration": frequency * moved / 1e6,
            "products, GFLOP/s": rate / 1e9,
            "passes, GB/s": bandwidth / 1e9,
            "products alone, ms": frequency * operations / rate * 1e3,
            "memory alone, ms": frequency * moved / bandwidth * 1e3,
            "times both": seconds / iterations / floor,
        })  # fmt: skip
    report("DQN, MinAtar Breakout: environment steps per second", rows, options.json)


if __name__ == "__main__":
    main()
