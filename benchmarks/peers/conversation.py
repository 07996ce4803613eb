"""How a peer's process and the benchmark talk: one JSON line for each request, on stdin and stdout.

The process is given an `Order` as its only argument. It answers with one line when it is ready to
train, and then for every number of steps that it reads with the seconds that they took. While it
waits it uses no processor, so all peers can be alive and take turns.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, TextIO

from benchmarks.peers.settings import WORK, Settings


@dataclass(frozen=True)
class Order:
    """What one process is to train: `seeds` seeds from `first_seed` on, on a core or on all."""

    algorithm: str
    settings: Settings
    seeds: int
    first_seed: int = 0
    core: int | None = None
    block: int = 100  # steps of a seed; programs of a fixed length are compiled for these
    devices: int = 0  # of ours; 0: one per core


def to_text(order: Order) -> str:
    """The order as one line."""
    return json.dumps(asdict(order))


def from_text(text: str) -> Order:
    """The order of a line that `to_text` has made."""
    values = json.loads(text)
    lists = {k: tuple(v) if isinstance(v, list) else v for k, v in values["settings"].items()}
    settings: Any = type(WORK[values["algorithm"]])
    return Order(**values | {"settings": settings(**lists)})


Advance = Callable[[int], Any]
"""Trains each of the process's seeds for so many environment steps, and waits for the end."""


def serve(prepare: Callable[[Order], Advance], packages: tuple[str, ...]) -> None:
    """Answers until stdin ends. `prepare` builds and takes the random first steps.

    What libraries print goes to stderr.
    """
    began = time.perf_counter()
    answers, sys.stdout = sys.stdout, sys.stderr
    order = from_text(sys.argv[1])
    if order.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {order.core})
    advance = prepare(order)
    ready = {
        "seconds": time.perf_counter() - began,
        "versions": {name: version(name) for name in packages},
    }
    _say(answers, ready)
    for line in sys.stdin:
        steps = int(line)
        began = time.perf_counter()
        advance(steps)
        _say(answers, {"steps": steps * order.seeds, "seconds": time.perf_counter() - began})


def _say(answers: TextIO, content: dict[str, Any]) -> None:
    print(json.dumps(content), file=answers, flush=True)
