"""Kills a training again and again with SIGKILL, and compares what it ends with.

    python -m benchmarks.kill [--kills 100] [--json results/benchmarks/kill.json]

Every other time the kill waits until a checkpoint is being written. "the same": runs that end with
the bytes of one that was left alone, in metrics and policies. Exits with 1 where one does not.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import report

LATEST = 6.0  # seconds from a process's first line to the latest kill

OPTIONS = {
    "seeds": "2",
    "environment": "probe/termination?actions=continuous",
    "network.hidden": "8",
    "replay.capacity": "40",
    "replay.batch_size": "4",
    "training.steps": "60",
    "training.learning_starts": "10",
    "sparsity.levels": "0 0.5",
    "sparsity.interval": "6",
    "quantization.modes": "int8w int8",
    "evaluation.every": "4",
    "evaluation.episodes": "2",
    "evaluation.final_episodes": "3",
    "checkpoint.every": "1",
    "checkpoint.unit": "steps",
}


def command(out: Path, resumed: bool) -> list[str]:
    """The training, from its beginning or from its last checkpoint."""
    words = [sys.executable, "-m", "sparse_rl.train"]
    if resumed:
        return [*words, "--resume", str(out)]
    options = [word for name, value in OPTIONS.items() for word in (f"--{name}", *value.split())]
    return [*words, *options, "--out", str(out)]


def whole(out: Path) -> None:
    """The run without any kill."""
    subprocess.run(command(out, False), check=True, stdout=subprocess.DEVNULL)


class Killer:
    """Kills runs at random moments; every other time while a checkpoint is being written."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.kills = self.while_writing = 0

    def bring_to_its_end(self, out: Path, most: int) -> None:
        """One run, killed and gone on with until it is done, or `most` kills are reached."""
        while True:
            process = subprocess.Popen(
                command(out, (out / "config.yaml").exists()),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            if self.kills < most:
                self._watch(process, out, wait_for_writing=self.kills % 2 == 0)
            _, errors = process.communicate()
            if process.returncode != -signal.SIGKILL:
                break
            self.kills += 1
        if process.returncode != 0:
            raise RuntimeError(f"after {self.kills} kills: {errors}")

    def _watch(self, process: subprocess.Popen[str], out: Path, wait_for_writing: bool) -> None:
        """Kills the process some time after its first sign of life, if it does not end before."""
        assert process.stdout is not None
        process.stdout.readline()
        deadline = time.monotonic() + self._random.uniform(0, LATEST)
        skip, seen = self._random.randrange(8), set()
        while process.poll() is None:
            parts = set((out / "checkpoints").glob(".*.part"))
            seen |= parts
            ripe = len(seen) > skip and parts if wait_for_writing else time.monotonic() > deadline
            if ripe:
                process.kill()
                process.wait()
                self.while_writing += bool(list((out / "checkpoints").glob(".*.part")))
            time.sleep(0.0005)


def differences(one: Path, other: Path) -> list[str]:
    """The names of files, of metrics and policies, that are not the same in both runs."""
    names = ["metrics.csv", *(f"policies/{path.name}" for path in (one / "policies").iterdir())]
    return [name for name in names if (one / name).read_bytes() != (other / name).read_bytes()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    killer, runs, wrong = Killer(arguments.seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "whole"
        whole(reference)
        while killer.kills < arguments.kills:
            out = Path(folder) / f"killed-{runs}"
            killer.bring_to_its_end(out, arguments.kills)
            different = differences(reference, out)
            runs, wrong = runs + 1, wrong + bool(different)
            print(
                f"{killer.kills} kills, {killer.while_writing} while writing: run {runs} ", end=""
            )
            print(f"differs in {', '.join(different)}" if different else "is the same", flush=True)
    row = {
        "kills": killer.kills,
        "while_writing_a_checkpoint": killer.while_writing,
        "runs": runs,
        "the_same": runs - wrong,
    }
    report("Runs that are killed and resumed", [row], arguments.json)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
