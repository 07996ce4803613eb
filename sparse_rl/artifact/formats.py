"""The formats an actor is delivered in, by name: what a command line asks for.

Nothing heavy is imported here, so that --help and a mistyped option answer at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from sparse_rl.artifact.source_files import check_prefix

Target = Literal["host", "microcontroller"]
Format = Literal["packed", "c", "cmake", "arduino", "esp-idf", "rust", "onnx", "qonnx"]
_ON_A_BOARD = ("arduino", "esp-idf")


@dataclass(frozen=True)
class CProgram:
    """For which machine C is generated, and with what its names begin.

    Without a target it is a microcontroller for the formats that are made for one, else a computer.
    Raises ValueError for a prefix that C does not take.
    """

    target: Target | None = None
    prefix: str = "srl"

    def __post_init__(self) -> None:
        check_prefix(self.prefix)

    def target_of(self, kind: str) -> Target:
        return self.target or ("microcontroller" if kind in _ON_A_BOARD else "host")


def installed(formats: Sequence[Format]) -> list[Format]:
    """The formats without those whose packages are missing, which it says.

    Raises ValueError where none is left.
    """
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    left = [form for form in dict.fromkeys(formats) if not (missing and "onnx" in form)]
    if left == list(dict.fromkeys(formats)):
        return left
    reason = f"{' and '.join(missing)} not installed; pip install 'sparse_rl[onnx]'"
    if not left:
        raise ValueError(f"--format: found {', '.join(formats)}: {reason}")
    print(f"{', '.join(form for form in formats if 'onnx' in form)} left out: {reason}")
    return left
