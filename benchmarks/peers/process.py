"""Peers as running processes that wait, and take turns."""

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.conversation import Order, to_text

ROOT = Path(__file__).parents[2]
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
"""For processes that have one core each."""
PATIENCE = 900.0  # seconds for one answer


class PeerError(RuntimeError):
    """A peer ended, was silent, or answered something else than a JSON line; in one line."""


class PeerProcess:
    """One process of a peer; `answer` waits for its next JSON line."""

    def __init__(self, python: Path, module: str, order: Order) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in ONE_THREAD}
        if order.core is not None:
            environment |= ONE_THREAD
        environment["JAX_PLATFORMS"] = "cpu"
        self.module = module
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 closed in `close`
        self._process = subprocess.Popen(
            [python, "-m", module, to_text(order)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def ask(self, steps: int) -> None:
        """Has it train; see `answer`. Raises PeerError where it has ended."""
        assert self._process.stdin is not None
        try:
            print(steps, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise PeerError(f"{self.module}: {self._last_words()}") from None

    def answer(self) -> dict[str, Any]:
        """The next line, decoded. Raises PeerError where there is none."""
        try:
            line = self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise PeerError(f"{self.module}: no answer in {PATIENCE:.0f} s") from None
        if not line:
            raise PeerError(f"{self.module}: {self._last_words()}")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            raise PeerError(f"{self.module}: found {line.strip()!r}; allowed: JSON") from None
        return answer

    def _last_words(self) -> str:
        self._process.wait(timeout=60)
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"ended with code {self._process.returncode}"

    def close(self) -> None:
        """Ends the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._errors.close()


class Contender:
    """A library as its user would run ten seeds: one process with all of them, or one per core.

    `rates` are environment steps per second of all its processes together, one for each turn.
    """

    def __init__(
        self, processes: Sequence[PeerProcess], orders: Sequence[Order], begun: float
    ) -> None:
        self.rates: list[float] = []
        self._processes, self._orders, self._begun = processes, orders, begun
        self._start = self._compile = 0.0
        self._steps = 0
        self._versions: dict[str, str] = {}

    def get_ready(self, seconds: float) -> None:
        """Waits until it can train, compiles, finds how many steps take `seconds`, warms up.

        What compiles is what the first block of steps takes longer than the second.
        """
        for process in self._processes:
            self._versions = process.answer()["versions"]
        self._start = time.perf_counter() - self._begun
        block = self._orders[0].block
        first, _ = self._train(block)
        second, _ = self._train(block)
        self._compile = max(0.0, first - second)
        self._steps = max(1, round(seconds / second)) * block
        self._train(self._steps)

    def take_turn(self) -> None:
        """Trains for the steps of one measurement."""
        _, rate = self._train(self._steps)
        self.rates.append(rate)

    def figures(self) -> dict[str, Any]:
        """What a row says beside rates and ratios."""
        return {
            "processes": len(self._orders),
            "seeds each": self._orders[0].seeds,
            "start s": self._start,
            "compile s": self._compile,
            "versions": ", ".join(f"{name} {found}" for name, found in self._versions.items()),
        }

    def _train(self, steps: int) -> tuple[float, float]:
        """The seconds of the slowest process, and the sum of all rates."""
        for process in self._processes:
            process.ask(steps)
        answers = [process.answer() for process in self._processes]
        slowest = max(answer["seconds"] for answer in answers)
        return slowest, sum(answer["steps"] / answer["seconds"] for answer in answers)

    def close(self) -> None:
        """Ends its processes."""
        for process in self._processes:
            process.close()
