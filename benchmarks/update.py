"""SAC with the paper's networks: member-updates per second, and the share of the machine's ceiling.

    python -m benchmarks.update [--members 10] [--iterations 60] [--repeats 7] [--json FILE]

One iteration is one environment step, one row of replay and one update of every member (SAC,
256-256, batch 256). The environment is a linear system of HalfCheetah's shape: next to free, so
that the figure is that of the training program. The ceiling is the same machine's rate for batched
256x256 float32 matrix products, one per member, on the same devices, measured in turns with the
programs. Mask updates are measured at every step and charged at one in a thousand.
"""

import argparse
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sparse_rl.runtime.devices import configure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--devices", type=int, default=0, help="0: one per core")
    parser.add_argument("--iterations", type=int, default=60, help="of one timing")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    configure(options.devices)
    measure_all(options)


def measure_all(options: argparse.Namespace) -> None:
    import jax

    from benchmarks import roofline, workloads
    from benchmarks.harness import print_table, write_json

    devices = options.devices or len(jax.devices())
    values = workloads.SAC_PAPER | {
        "network": {"hidden": [options.hidden] * 2},
        "replay": {"capacity": 20_000, "batch_size": options.batch},
    }
    environment = workloads.halfcheetah_shaped()
    prepare = partial(workloads.prepare, values, environment, options.members, devices)
    made = {
        "float32": prepare(),
        "float32, masks at every step": prepare(mask_interval=1),
        "int8w": prepare(quantization="int8w"),
        "int8": prepare(quantization="int8"),
    }
    flops = workloads.update_flops(made["float32"])
    runs = {name: stepper(workload, options.iterations) for name, workload in made.items()}
    size = 256
    ceiling = roofline.batched_products(options.members, made["float32"].mesh, size)
    timings = in_turns({"ceiling": ceiling.run, **runs}, options.repeats)

    rate = ceiling.work / statistics.median(timings["ceiling"])
    rows: list[dict[str, Any]] = [{
        "what": f"batched {size}x{size} products",
        "member-updates/s": rate / flops,
        "GFLOP/s": rate / 1e9,
        "share of ceiling": 1.0,
        "against float32": float("nan"),
        "min": min(timings["ceiling"]) * 1e3,
        "median ms": statistics.median(timings["ceiling"]) * 1e3,
        "max": max(timings["ceiling"]) * 1e3,
    }]  # fmt: skip
    updates = options.iterations * options.members
    base = statistics.median(timings["float32"])
    for name in runs:
        seconds = statistics.median(timings[name])
        rows.append({
            "what": name,
            "member-updates/s": updates / seconds,
            "GFLOP/s": flops * updates / seconds / 1e9,
            "share of ceiling": flops * updates / seconds / rate,
            "against float32": seconds / base,
            "min": min(timings[name]) * 1e3,
            "median ms": seconds * 1e3,
            "max": max(timings[name]) * 1e3,
        })  # fmt: skip
    every_step = statistics.median(timings["float32, masks at every step"])
    print_table(
        f"SAC update, {options.members} members, {devices} devices, "
        f"{flops / 1e9:.3f} GFLOP per member",
        rows,
    )
    print(f"mask updates every 1,000 steps: {(every_step / base - 1) / 1000:+.2%} of the time")
    if options.json:
        write_json(options.json, "SAC update", rows)


def stepper(workload: Any, iterations: int) -> Callable[[], float]:
    """Runs one timing of a training program; compiled and warm when it is returned."""
    from benchmarks.harness import seconds
    from benchmarks.workloads import in_cohorts

    advance = in_cohorts(workload).advance
    return lambda: seconds(lambda: advance(iterations))


def in_turns(runs: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Times everything once, then again: what disturbs the machine disturbs all alike."""
    timings: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            timings[name].append(run())
    return timings


if __name__ == "__main__":
    main()
