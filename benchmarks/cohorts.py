"""Members in cohorts, one after the other, beside all members at once.

    python -m benchmarks.cohorts [--members 40] [--repeats 7] [--json FILE]

Each workload is trained with all of its members at once, in cohorts of 20, of 10 and of 4 (those of
these that are fewer than all, with a member for each device), and in those that training chooses by
itself; timings in turns. Its iterations are those of its configuration, environment included; SAC
256-256 is that of the paper on a linear system of HalfCheetah's shape.
"""

import argparse
import gc
import statistics
from functools import partial
from pathlib import Path
from typing import Any

from sparse_rl.runtime.devices import configure

ITERATIONS = {
    "SAC 256-256": 10,
    "dqn_breakout_minatar": 40,
    "sac_pendulum": 100,
    "td3_pendulum": 100,
    "dqn_cartpole": 400,
    "ppo_cartpole": 4,
}
"""Iterations of one timing of each workload."""
SIZES = (20, 10, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, default=40)
    parser.add_argument("--devices", type=int, default=0, help="0: one per core")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--workloads", nargs="+", choices=ITERATIONS, default=list(ITERATIONS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    configure(options.devices)

    from benchmarks.harness import report

    rows = []
    for name in options.workloads:
        rows.append(measure(name, options))
        gc.collect()  # memories of as many members as there are sizes
    report(f"{options.members} members in cohorts", rows, options.json)


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Iterations of all members a second at once, and how many times as many in cohorts."""
    import jax

    from benchmarks import workloads
    from benchmarks.harness import seconds
    from benchmarks.update import in_turns

    members, devices = options.members, options.devices or len(jax.devices())

    def made(wanted: int) -> workloads.InCohorts:
        return workloads.in_cohorts(prepare(name, members, devices), wanted)

    sizes = sizes_of(members, devices)
    every = {f"of {size}": made(size // devices) for size in (members, *sizes)}
    every["chosen"] = made(0)
    runs = {
        key: partial(seconds, partial(one.advance, ITERATIONS[name])) for key, one in every.items()
    }
    taken = in_turns(runs, options.repeats)
    whole = taken[f"of {members}"]
    row: dict[str, Any] = {
        "workload": name,
        "iterations/s": members * ITERATIONS[name] / statistics.median(whole),
        "chosen size": max(every["chosen"].sizes),
    }
    for key in ("chosen", *(f"of {size}" for size in sizes)):
        ratios = sorted(a / b for a, b in zip(whole, taken[key], strict=True))
        row[key] = statistics.median(ratios)
        if key == "chosen":
            row |= {"lowest": ratios[0], "highest": ratios[-1]}
    return row


def sizes_of(members: int, devices: int) -> list[int]:
    """Of `SIZES` those that are cohorts: fewer than all, with a member for each device."""
    return [size for size in SIZES if devices <= size < members]


def prepare(name: str, members: int, devices: int) -> Any:
    """The population of one workload after its random steps."""
    from benchmarks import workloads
    from sparse_rl.config.reading import load_config
    from sparse_rl.envs import make

    if name == "SAC 256-256":
        environment = workloads.halfcheetah_shaped()
        return workloads.prepare(workloads.SAC_PAPER, environment, members, devices)
    config = load_config(name)
    return workloads.of_config(config, make(config.environment), members, devices)


if __name__ == "__main__":
    main()
