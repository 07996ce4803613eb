"""How speed grows with the number of members and devices: member-steps per second, and a picture.

    python -m benchmarks.scaling [--members 1 2 5 10 20 40 80] [--devices 1 2] [--picture FILE]

One member-step is one environment step and one update of one member (SAC, 256-256, batch 256, in a
linear system of HalfCheetah's shape that costs next to nothing), in the cohorts that training would
have. Members that only fill up the devices are not counted. Compiling is apart, with the first two
iterations. Each number of devices is measured in a process of its
own, set up as training sets itself up: one device has all threads, several have one each.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MEMBERS = (1, 2, 5, 10, 20, 40, 80)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, nargs="+", default=list(MEMBERS))
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one timing, about")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="drawn there")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(rows_of(options.devices[0], options)))
        return
    rows = [row for devices in options.devices for row in in_own_process(devices)]

    from benchmarks.harness import report

    report("SAC: member-steps per second by members and devices", rows, options.json)
    if options.picture is not None:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        draw(rows, options.picture)
        print(f"picture: {options.picture}")


def in_own_process(devices: int) -> list[dict[str, Any]]:
    """The rows of one number of devices, with this process's other options."""
    words = [sys.executable, "-m", "benchmarks.scaling", *sys.argv[1:]]
    words += ["--devices", str(devices), "--alone"]
    output = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
    return rows


def rows_of(devices: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    from sparse_rl.runtime.devices import configure

    configure(devices)
    return [measure(members, devices, options) for members in options.members]


def measure(members: int, devices: int, options: argparse.Namespace) -> dict[str, Any]:
    """One row: compiled once, then timed `repeats` times over as many steps as fit."""
    from benchmarks import workloads
    from benchmarks.harness import seconds

    values = workloads.SAC_PAPER | {
        "network": {"hidden": [options.hidden] * 2},
        "replay": {"capacity": 20_000, "batch_size": options.batch},
    }
    filled = -(-members // devices) * devices
    workload = workloads.prepare(values, workloads.halfcheetah_shaped(), filled, devices)
    began = time.perf_counter()
    advance = workloads.in_cohorts(workload).advance
    compile_seconds = time.perf_counter() - began

    iterations = max(5, round(options.seconds / (seconds(lambda: advance(5)) / 5)))
    rates = [
        members * iterations / seconds(lambda: advance(iterations)) for _ in range(options.repeats)
    ]
    return {
        "devices": devices,
        "members": members,
        "member-steps/s": statistics.median(rates),
        "slowest": min(rates),
        "fastest": max(rates),
        "compile s": compile_seconds,
    }


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Rate against members, a line for each number of devices, a band from slowest to fastest."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    colours = ("#0b5394", "#cc5500", "#38761d", "#741b47")
    counts = list(dict.fromkeys(row["devices"] for row in rows))
    for devices, colour in zip(counts, colours * len(counts), strict=False):
        mine = [row for row in rows if row["devices"] == devices]
        members = [row["members"] for row in mine]
        label = f"{devices} device{'s' * (devices > 1)}"
        rates = [row["member-steps/s"] for row in mine]
        axes.plot(members, rates, "o-", color=colour, markersize=4, linewidth=1.6, label=label)
        low, high = [row["slowest"] for row in mine], [row["fastest"] for row in mine]
        axes.fill_between(members, low, high, color=colour, alpha=0.15, linewidth=0)
    ticks = sorted({row["members"] for row in rows})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("members of the population")
    axes.set_ylabel("member-steps per second")
    axes.set_title("SAC: environment step and update", loc="left", fontsize=11)
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=160)


if __name__ == "__main__":
    main()
