"""Packed files with damage that the checksum does not show: what reading makes of each.

    python -m benchmarks.damaged_files [--files 200000] [--seed 0] [--seconds 600] [--workers 1]

Every file is read as `load_actor(path, "numpy")` reads it, in worker processes. It passes where it
is refused by one `ArtifactError` of one line that begins with the file's name, or is read as an
actor without a warning; in less than 0.2 s, with at most 100 MB more memory than the worker had.
What took longer is read again, in processor time, because machines are busy. Stops after
`--seconds` and says how many files were read until then; the status is 1 where anything is wrong,
and the first such file of each kind is kept under `--keep`.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import random
import signal
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

from benchmarks.packed_mutations import damaged
from benchmarks.packed_originals import originals
from sparse_rl import atomic_file
from sparse_rl.artifact.packed import ArtifactError
from sparse_rl.artifact.runtime import load_actor

LONGEST, MOST_MEMORY = 0.2, 100.0
"""Seconds, and MB."""
MEMORY = Path("/dev/shm")
"""Where a file is written in microseconds, if the machine has it."""
BATCH = 250
HANGS = 30.0
"""Seconds after which reading is interrupted."""
TITLE = "Packed files that are damaged"
COLUMNS = ("damage", "files", "refused", "read", "wrong", "slowest, ms")


class Batch(NamedTuple):
    """What a worker saw: outcomes by (damage, outcome), slowest seconds by damage, MB at most."""

    outcomes: dict[tuple[str, str], int]
    slowest: dict[str, float]
    memory: float
    examples: dict[tuple[str, str], bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for what is wrong")
    parser.add_argument("--json", type=Path, help="the table as JSON, too")
    options = parser.parse_args()
    started, batches = time.monotonic(), []
    seeds = [options.seed * 1_000_003 + number for number in range(-(-options.files // BATCH))]
    fork = multiprocessing.get_context("fork")
    with fork.Pool(options.workers, _begin) as pool:  # at the end it is terminated
        for one in pool.imap_unordered(batch, seeds):
            batches.append(one)
            if time.monotonic() - started > options.seconds:
                break
    raise SystemExit(told(batches, options.keep, options.json, time.monotonic() - started))


_FILES: list[bytes] = []


def _begin() -> None:
    warnings.simplefilter("error")
    signal.signal(signal.SIGALRM, _interrupt)
    _FILES.extend(originals())
    for data in _FILES:
        with tempfile.NamedTemporaryFile(suffix=".srl") as file:
            Path(file.name).write_bytes(data)
            load_actor(file.name, "numpy")


def batch(seed: int) -> Batch:
    """Reads `BATCH` damaged files."""
    draw = random.Random(seed)
    outcomes: collections.Counter[tuple[str, str]] = collections.Counter()
    slowest: dict[str, float] = collections.defaultdict(float)
    examples: dict[tuple[str, str], bytes] = {}
    most = 0.0
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        path = Path(folder) / "actor.srl"
        for _ in range(BATCH):
            kind, data = damaged(draw, _FILES)
            path.write_bytes(data)
            before, start = _forgotten_peak(), time.perf_counter()
            found = outcome(path)
            seconds, memory = time.perf_counter() - start, _peak() - before
            if seconds > LONGEST:  # the file, or a busy machine
                start = time.process_time()
                outcome(path)
                seconds = time.process_time() - start
            if seconds > LONGEST:
                found = "wrong: slow"
            elif memory > MOST_MEMORY:
                found = "wrong: memory"
            outcomes[kind, found] += 1
            if found.startswith("wrong"):
                examples.setdefault((kind, found), data)
            slowest[kind], most = max(slowest[kind], seconds), max(most, memory)
    return Batch(dict(outcomes), dict(slowest), most, examples)


class Interrupted(BaseException):
    """Reading took too long."""


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted


def outcome(path: Path) -> str:
    """ "read", "refused", or what is wrong with how it was refused."""
    signal.setitimer(signal.ITIMER_REAL, HANGS)
    try:
        load_actor(path, "numpy")
        return "read"
    except Interrupted:
        return "wrong: hangs"
    except ArtifactError as error:
        text = str(error)
        if "\n" in text or not text.isprintable() or not text.startswith(f"{path}: "):
            return "wrong: not one line that begins with the file"
        return "refused" if len(text) < 300 + len(str(path)) else "wrong: a long line"
    except Exception as error:
        return f"wrong: {type(error).__name__}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _forgotten_peak() -> float:
    """MB in memory; from here on the peak counts anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{name}:")[2].split(maxsplit=1)[0]) / 1000


def told(batches: list[Batch], keep: Path | None, out: Path | None, seconds: float) -> int:
    """Prints the table; 1 where anything is wrong."""
    total: collections.Counter[tuple[str, str]] = collections.Counter()
    slowest: dict[str, float] = collections.defaultdict(float)
    examples: dict[tuple[str, str], bytes] = {}
    for one in batches:
        total.update(one.outcomes)
        for kind, value in one.slowest.items():
            slowest[kind] = max(slowest[kind], value)
        examples = one.examples | examples
    rows = []
    for kind in sorted(slowest):
        counts = {found: n for (way, found), n in total.items() if way == kind}
        files, refused, read = sum(counts.values()), counts.get("refused", 0), counts.get("read", 0)
        wrong = files - refused - read
        rows.append((kind, files, refused, read, wrong, round(1000 * slowest[kind], 1)))
    memory = max(one.memory for one in batches)
    sums = tuple(sum(column) for column in list(zip(*rows, strict=True))[1:5])
    rows.append(("all", *sums, max(row[5] for row in rows)))
    print("| " + " | ".join(COLUMNS) + " |\n|:---|" + "---:|" * 5)
    for row in rows:
        print("| " + " | ".join(f"{c:,}" if isinstance(c, int) else str(c) for c in row) + " |")
    print(f"{memory:.0f} MB at most beside what a worker had; {seconds:.0f} s")
    for (kind, found), count in sorted(total.items()):
        if found.startswith("wrong"):
            print(f"{kind}: {count} {found}")
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for number, ((kind, found), data) in enumerate(sorted(examples.items())):
            name = "-".join(f"{number} {kind} {found[7:]}".split())
            (keep / f"{name}.srl").write_bytes(data)
    if out is not None:
        from benchmarks.harness import machine  # it brings JAX, which no worker needs

        content = {
            "title": TITLE,
            "machine": machine(),
            "memory, MB": round(memory),
            "rows": [dict(zip(COLUMNS, row, strict=True)) for row in rows],
        }
        atomic_file.write_text(out, json.dumps(content, indent=1) + "\n")
    return int(sums[3] > 0)


if __name__ == "__main__":
    main()
