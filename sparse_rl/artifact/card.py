"""What a delivered actor is worth and how it was chosen: its card.

It stands in words in the C header and in the ONNX model's metadata, and as `card.json` beside the
files, which it names with their digests. The packed file, which may be smaller than its card, has
what `packed.Provenance` says.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = "card.json"
_FORMAT = 1


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; nan where there is none."""

    value: float
    low: float
    high: float

    def in_words(self, sign: str = "") -> str:
        """`sign` is "+" for differences."""
        value = f"{self.value:{sign}.4g}"
        if not math.isfinite(self.low):
            return value
        return f"{value} (95 % interval {self.low:{sign}.4g} .. {self.high:{sign}.4g})"


@dataclass(frozen=True)
class Mean:
    """Of the returns of so many episodes, with its standard error; nan where that is not known."""

    value: float
    error: float
    episodes: int

    @classmethod
    def of(cls, returns: NDArray[np.floating]) -> Mean:
        """Of these episodes [n]; one alone has no error."""
        count = len(returns)
        error = float(returns.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
        return cls(float(returns.mean()), error, count)

    def in_words(self) -> str:
        error = f" +- {self.error:.2g}" if math.isfinite(self.error) else ""
        return f"{self.value:.5g}{error} in {self.episodes} episode{'s' * (self.episodes != 1)}"


@dataclass(frozen=True)
class Card:
    """The worth of one policy, and of all that were made as it was.

    Attributes:
        environment, variant: where it acts and what it is, in words.
        policy: which one this is, such as "seed 3".
        chosen: how it was chosen among those.
        own: its return in the last evaluation, by which it may have been chosen.
        fresh: its return in other episodes, which took no part in the choice.
        policies: how many were made alike, such as "10 seeds".
        alike: their return.
        reference: with what they are compared, such as "dense".
        difference: from it.
        fresh_difference: the same in episodes that took no part in a choice.
        margin: by how much of the return it may be worse.
        verdict: of the comparison; the empty string for the reference itself.
        made_by: digests and versions, by name.
    """

    environment: str
    variant: str
    policy: str
    chosen: str
    own: Mean
    fresh: Mean | None
    policies: str
    alike: Interval
    reference: str
    difference: Interval
    fresh_difference: Interval | None
    margin: float
    verdict: str
    made_by: Mapping[str, str]

    def lines(self) -> list[str]:
        """In words, a line each; what stands behind +- is a standard error."""
        found = [f"{self.policy}, {self.chosen}: return {self.own.in_words()}."]
        if self.fresh is not None:
            found.append(f"Afterwards: {self.fresh.in_words()}.")
        found.append(f"{self.policies}: {self.alike.in_words()}.")
        if self.verdict:
            found.append(
                f"Minus {self.reference}: {self.difference.in_words('+')}, margin "
                f"{self.margin:.3g}: {self.verdict}."
            )
        if self.fresh_difference is not None:
            found.append(f"The same from fresh starts: {self.fresh_difference.in_words('+')}.")
        found.append("; ".join(f"{key} {value}" for key, value in self.made_by.items()) + ".")
        return [line[0].upper() + line[1:] for line in found]

    def to_json(self, files: Iterable[Path], folder: Path) -> str:
        """As JSON, with size and SHA-256 of the files, named from `folder` on."""
        told = {
            "format": _FORMAT,
            "environment": self.environment,
            "variant": self.variant,
            "policy": self.policy,
            "chosen": self.chosen,
            "return": _mean(self.own),
            "fresh_return": None if self.fresh is None else _mean(self.fresh),
            "policies": self.policies,
            "return_of_all": _numbers(self.alike),
            "reference": self.reference,
            "difference": _numbers(self.difference),
            "fresh_difference": None
            if self.fresh_difference is None
            else _numbers(self.fresh_difference),
            "margin": _number(self.margin),
            "verdict": self.verdict or f"this is {self.reference} itself",
            "made_by": dict(self.made_by),
            "in_words": self.lines(),
            "files": {str(file.relative_to(folder)): _file(file) for file in sorted(files)},
        }
        return json.dumps(told, indent=2) + "\n"


def beside(file: Path) -> dict[str, Any] | None:
    """The card in the folder of a file, if it is of just this file."""
    try:
        told = json.loads((file.parent / FILE).read_bytes())
        known = told["files"][file.name]["sha256"]
        if known != hashlib.sha256(file.read_bytes()).hexdigest():
            return None
        if not all(isinstance(line, str) for line in told["in_words"]):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found: dict[str, Any] = told
    return found


def _file(file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _mean(mean: Mean) -> dict[str, float | None]:
    return {
        "mean": _number(mean.value),
        "standard_error": _number(mean.error),
        "episodes": mean.episodes,
    }


def _numbers(interval: Interval) -> list[float | None]:
    return [_number(value) for value in (interval.value, interval.low, interval.high)]
