"""Where the time goes on one GPU: everything in one unattended run, most important first.

    python -m benchmarks.gpu_panel --json results/gpu/gpu_panel.json [--minutes 9.5]
    python -m benchmarks.gpu_panel --tiny        # seconds on a CPU: shows that it works

Training of SAC on HalfCheetah (brax, own MJX, and a linear system of its shape that costs nothing)
and of DQN on frames, for several numbers of members; precisions, command buffers, formulations of
convolutions; operations, bytes and both floors. After every measurement the JSON file and, beside
it, a page of tables are written: a run that is cut off leaves what it has. Run it again with the
same file and it measures what is missing; another device or version of JAX starts anew.

Every case has a process of its own. Several prepare and compile at once (--ahead); while one
measures, the others are stopped.

On a machine with a GPU, from a checkout (Python 3.12 or later; without a network, from a folder of
wheels that `pip download` has filled with the same words, and `--no-index --find-links FOLDER`):

    python3.12 -m venv .venv
    .venv/bin/pip install -c requirements.lock -e '.[gpu,mujoco]'
    XLA_FLAGS=--xla_gpu_enable_triton_gemm=false \\
        .venv/bin/python -m benchmarks.gpu_panel --json results/gpu/gpu_panel.json

A training sets that flag by itself (`runtime.devices.configure`). Without it most of the time goes
into compiling: 32 to 68 seconds a case in place of 5, on an H200 with 16 cores. With other flags
than those of the file, begin with --fresh.
"""

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import gpu_cases
from benchmarks.gpu_cases import BUFFERS, Case
from benchmarks.gpu_tables import markdown, tables
from sparse_rl import atomic_file

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "benchmarks.gpu_worker"]
CASE_SECONDS = 200.0
"""How long one case may prepare, compile and measure, without the time in which it is stopped."""


class Message(NamedTuple):
    """A line of a worker; None where it has ended."""

    worker: "Worker"
    text: str | None


class Worker:
    """The process of one case."""

    def __init__(self, case: Case, inbox: "queue.Queue[Message]") -> None:
        self.case = case
        self.ready = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  as long as the worker
        flags = f"{os.environ.get('XLA_FLAGS', '')} {BUFFERS[case.buffers]}".strip()
        self.process = subprocess.Popen(
            [*COMMAND, json.dumps(case._asdict())],
            cwd=ROOT,
            env=os.environ | {"XLA_FLAGS": flags, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.deadline = time.monotonic() + CASE_SECONDS
        self._stopped_at: float | None = None
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def _listen(self, inbox: "queue.Queue[Message]") -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("@"):
                inbox.put(Message(self, line[1:].strip()))
        inbox.put(Message(self, None))

    def go(self) -> None:
        """Lets it measure."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        """Keeps it from using processor and device; its time stands still."""
        self._stopped_at = time.monotonic()
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._stopped_at is not None:
            self.deadline += time.monotonic() - self._stopped_at
            self._stopped_at = None
            self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def last_words(self) -> str:
        """Why it ended, as far as it said: its last line of errors."""
        self.process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"exit status {self.process.returncode}: {lines[-1] if lines else ''}"[:300]


class Notebook:
    """What has been measured, in memory and on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.machine: dict[str, Any] = {}
        self.measured: dict[Case, dict[str, Any]] = {}
        if path.exists():
            content = json.loads(path.read_text())
            self.machine = content["machine"]
            for entry in content["measurements"]:
                fields = entry["case"] | {"hidden": tuple(entry["case"]["hidden"])}
                self.measured[Case(**fields)] = entry["row"]

    def add(self, case: Case, result: dict[str, Any]) -> None:
        """Writes both files anew; a result of another device or JAX replaces all others.

        An error replaces no result.
        """
        machine = result.get("machine")
        if machine:
            if self.machine and _kind(machine) != _kind(self.machine):
                self.measured = {}
            self.machine = machine
        if "row" in result or not self.has(case):
            self.measured[case] = result.get("row", {"error": result.get("error")})
        self.write()

    def has(self, case: Case) -> bool:
        return "error" not in self.measured.get(case, {"error": ""})

    def write(self) -> None:
        title = "A population on one device"
        device = " ".join(self.machine.get("devices", ["no device"])[:1])
        made = tables(self.measured, device)
        content = {
            "title": title,
            "machine": self.machine,
            "tables": made,
            "measurements": [
                {"case": case._asdict(), "row": row} for case, row in self.measured.items()
            ],
        }
        footer = ", ".join(f"{key}: {value}" for key, value in self.machine.items())
        _replace(self.path, json.dumps(content, indent=1) + "\n")
        _replace(self.path.with_suffix(".md"), markdown(f"{title}: {device}", made, footer))


def _kind(machine: dict[str, Any]) -> tuple[Any, Any]:
    return machine["devices"], machine["jax"]


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.write_text(path, text)


def measure_all(cases: Sequence[Case], notebook: Notebook, minutes: float, ahead: int) -> None:
    """Measures what the notebook lacks, in this order, until the time is over."""
    until = time.monotonic() + 60 * minutes
    # Alone, and always: it says which device this is, and whether the notebook is of it.
    first = [case for case in cases if case.kind == "peak"]
    _measure(first, notebook, until, 1)
    _measure([case for case in cases if not notebook.has(case)], notebook, until, ahead)


def _measure(cases: Sequence[Case], notebook: Notebook, until: float, ahead: int) -> None:
    waiting, inbox = list(cases), queue.Queue[Message]()
    running: list[Worker] = []
    measuring: Worker | None = None
    try:
        while (waiting or running) and time.monotonic() < until:
            while waiting and len(running) < ahead and measuring is None:
                running.append(Worker(waiting.pop(0), inbox))
            if measuring is None and (measuring := _next(running)) is not None:
                for worker in running:
                    if worker is not measuring:
                        worker.stop()
                measuring.go()
            result: dict[str, Any] | None = None
            try:
                message = inbox.get(timeout=0.2)
            except queue.Empty:
                # The one that measures would be late too: then its deadline is over as well.
                late = [w for w in running if w.deadline < time.monotonic() and _runs(w, measuring)]
                if not late:
                    continue
                worker, result = late[0], {"error": f"took longer than {CASE_SECONDS:.0f} s"}
            else:
                worker = message.worker
                if worker not in running:
                    continue
                if message.text == "ready":
                    worker.ready = True
                    continue
                result = json.loads(message.text) if message.text else None
            worker.kill()
            running.remove(worker)
            notebook.add(worker.case, result or {"error": worker.last_words()})
            say(worker.case, notebook)
            if worker is measuring:
                measuring = None
                for other in running:
                    other.resume()
    finally:
        for worker in running:
            worker.kill()
    for case in [worker.case for worker in running] + waiting:
        notebook.add(case, {"error": "no time was left"})


def _runs(worker: Worker, measuring: Worker | None) -> bool:
    return measuring is None or worker is measuring


def _next(running: Sequence[Worker]) -> Worker | None:
    """The most important case that is ready; they were started in that order."""
    return next((worker for worker in running if worker.ready), None)


def say(case: Case, notebook: Notebook) -> None:
    """One line about what has just been measured."""
    row = notebook.measured[case]
    milliseconds = f"{1e3 * row['seconds']:.4g} ms" if "seconds" in row else "done"
    print(f"{case.name}: {row.get('error') or milliseconds}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="with a page .md beside it")
    parser.add_argument("--minutes", type=float, default=9.5, help="for everything")
    parser.add_argument("--ahead", type=int, default=3, help="processes that compile at once")
    parser.add_argument("--tiny", action="store_true", help="two small measurements")
    parser.add_argument("--fresh", action="store_true", help="forget what the file has")
    options = parser.parse_args()
    # Ended from outside, it takes its processes with it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    path = options.json or ROOT / "results" / "gpu" / f"gpu_{'tiny' * options.tiny or 'panel'}.json"
    if options.fresh:
        path.unlink(missing_ok=True)
    notebook = Notebook(path)
    cases = gpu_cases.tiny() if options.tiny else gpu_cases.panel()
    measure_all(cases, notebook, options.minutes, options.ahead)
    print(path.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
