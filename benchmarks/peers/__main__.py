"""Other libraries and ours on the same work, in one run: seed-steps per second for ten seeds.

    python -m benchmarks.peers sac [--json results/benchmarks/peers_sac.json]
    python -m benchmarks.peers dqn [--json results/benchmarks/peers_dqn.json]
    python -m benchmarks.peers ppo ppo_pendulum ppo_hopper
    python -m benchmarks.peers sac --only sbx --devices 5     # on a machine that others use too
    python -m benchmarks.peers sac dqn --json results/benchmarks/peers.json  # the same two files
    python -m benchmarks.peers sac dqn --tiny --repeats 1     # only that all of them run

sac: HalfCheetah-v4 (C MuJoCo), 256-256, batch 256, one gradient step per environment step; against
Stable-Baselines3 and sbx. dqn: MinAtar Breakout, one 3x3 convolution with 16 filters, dense 128,
batch 32, one gradient step every four steps; against rejax and a loop in the style of CleanRL. ppo,
ppo_pendulum: CartPole and Pendulum, two networks of 64-64 with tanh, eight environments a seed, the
RL Zoo's rollouts, batches and epochs; against rejax and Stable-Baselines3. ppo_hopper: Hopper-v4 (C
MuJoCo) with Stable-Baselines3's own settings, against it.

Each library is run as its users would run ten seeds: those that train one seed per process as one
process per core (one thread each, pinned to its core), the others with all seeds in one process. It
has a virtual environment of its own, made at the first run and kept in the user's cache. Everything
is started and compiled first; then the libraries take turns, so that what disturbs the machine
disturbs all alike. A figure is the median over the turns; a ratio is the median of the ratios of
each turn. Nothing is evaluated, pruned or written while the clock runs.
"""

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import entrants, table
from benchmarks.peers.entrants import ENTRANTS, OURS, Entrant
from benchmarks.peers.environments import cache_folder, python_of
from benchmarks.peers.process import Contender, PeerError, PeerProcess
from benchmarks.peers.settings import TINY, WORK, block_of


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(ENTRANTS)
    made.add_argument(
        "algorithms", nargs="+", help=names, choices=list(ENTRANTS), metavar="ALGORITHM"
    )
    made.add_argument("--only", nargs="+", metavar="NAME", help="these libraries, beside ours")
    made.add_argument("--seeds", type=int, default=10)
    made.add_argument("--repeats", type=int, default=7, help="turns behind each median")
    made.add_argument("--seconds", type=float, default=8.0, help="of one turn, about")
    made.add_argument("--devices", type=int, default=0, help="of ours; 0: one per core")
    made.add_argument("--tiny", action="store_true", help="small networks and short turns")
    made.add_argument(
        "--json", type=Path, metavar="PATH", help="the table; of several: PATH_sac, PATH_dqn"
    )
    made.add_argument("--cache", type=Path, default=cache_folder(), help="virtual environments")
    return made


def chosen(algorithm: str, only: Sequence[str] | None) -> list[Entrant]:
    """Ours and the named libraries. Raises ValueError for a name that is not there."""
    names = [entrant.name for entrant in ENTRANTS[algorithm]]
    for name in only or ():
        if all(name not in [e.name for e in group] for group in ENTRANTS.values()):
            raise ValueError(f"--only: found {name!r}; allowed: {', '.join(names[1:])}")
    return [e for e in ENTRANTS[algorithm] if not only or e.name in (OURS, *only)]


def main() -> None:
    command = parser()
    options = command.parse_args()
    if len(set(options.algorithms)) < len(options.algorithms):
        command.error(f"found {' '.join(options.algorithms)}; allowed: each once")
    try:
        groups = {name: chosen(name, options.only) for name in options.algorithms}
    except ValueError as error:
        command.error(str(error))

    from sparse_rl.runtime.devices import configure

    configure(options.devices)  # for the line under the table: the devices that our side has
    for algorithm, group in groups.items():
        show(algorithm, compare(algorithm, group, options), options)


def show(algorithm: str, rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """The table, the versions under it, and the file. Tiny rates are held against no aim."""
    from benchmarks.harness import print_table, write_json

    title = f"{algorithm.upper()}, {options.seeds} seeds{', tiny' if options.tiny else ''}"
    if options.tiny:
        rows = [row | {"aim": "", "met": ""} for row in rows]
    print_table(title, [{k: v for k, v in row.items() if k != "versions"} for row in rows])
    for row in rows:
        print(f"{row['library']}: {row['versions']}")
    if options.json:
        write_json(file_of(algorithm, options), title, rows)


def file_of(algorithm: str, options: argparse.Namespace) -> Path:
    """--json; with several algorithms each has a file of its own: peers.json, peers_sac.json."""
    path: Path = options.json
    if len(options.algorithms) == 1:
        return path
    return path.with_name(f"{path.stem}_{algorithm}{path.suffix}")


def compare(
    algorithm: str, group: Sequence[Entrant], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """All rows of one algorithm; a library that fails has a row that says why."""
    seconds = 0.3 if options.tiny else options.seconds
    running: dict[str, Contender] = {}
    problems: dict[str, str] = {}
    try:
        for entrant in group:
            try:
                running[entrant.name] = start(algorithm, entrant, options)
                running[entrant.name].get_ready(seconds)
                say(f"{entrant.name}: ready")
            except RuntimeError as error:
                fail(entrant.name, error, running, problems)
        for turn in range(options.repeats):
            for name, contender in list(running.items()):
                try:
                    contender.take_turn()
                except PeerError as error:
                    fail(name, error, running, problems)
            say(f"turn {turn + 1} of {options.repeats}")
    finally:
        for contender in running.values():
            contender.close()
    rates = {name: contender.rates for name, contender in running.items()}
    return [
        table.failed(algorithm, entrant.name, problems[entrant.name])
        if entrant.name in problems
        else table.measured(algorithm, entrant.name, rates, running[entrant.name].figures())
        for entrant in group
    ]


def start(algorithm: str, entrant: Entrant, options: argparse.Namespace) -> Contender:
    """Its processes, still busy with starting."""
    settings = (TINY if options.tiny else WORK)[algorithm]
    block = block_of(settings, 8 if options.tiny else 100)
    python = (
        python_of(entrant.requirements, options.cache)
        if entrant.requirements
        else Path(sys.executable)
    )
    orders = entrants.orders(algorithm, entrant, settings, options.seeds, cores(), block)
    if entrant.name == OURS:
        orders = [dataclasses.replace(order, devices=options.devices) for order in orders]
    begun = time.perf_counter()
    return Contender(
        [PeerProcess(python, entrant.module, order) for order in orders], orders, begun
    )


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def fail(
    name: str, error: Exception, running: dict[str, Contender], problems: dict[str, str]
) -> None:
    """Takes a library out, and remembers why."""
    problems[name] = str(error)
    say(f"{name}: failed: {error}")
    if name in running:
        running.pop(name).close()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
