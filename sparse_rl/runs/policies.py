"""policies/VARIANT.safetensors: parameters and masks of a variant, stacked over seeds, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sparse_rl.runs.layout import RECORD
from sparse_rl.runs.record import digest

PARAMS, MASKS = "params/", "masks/"


@dataclass(frozen=True)
class Policies:
    """The policies of a variant, as they are in one file.

    Attributes:
        file: where they are from.
        params: arrays by name, such as hidden_0/kernel, the seeds first.
        masks: which weights survive, for those arrays that are pruned.
    """

    file: Path
    params: Mapping[str, Float[np.ndarray, "seeds ..."]]
    masks: Mapping[str, Bool[np.ndarray, "seeds ..."]]

    @property
    def seeds(self) -> int:
        """How many there are."""
        return len(next(iter(self.params.values())))

    def of_seed(self, position: int) -> dict[str, Float[np.ndarray, "..."]]:
        """One seed's parameters, masks applied, by its position among the study's seeds.

        Raises ValueError, one line that names the file, where a weight is not a finite number.
        """
        found = {}
        for name, stacked in self.params.items():
            array = stacked[position]
            if name in self.masks:
                array = np.where(self.masks[name][position], array, np.float32(0))
            if not np.isfinite(array).all():
                raise ValueError(
                    f"{self.file}: {name} of the seed in place {position} has weights that are "
                    f"not finite: it failed in training; allowed: another seed"
                )
            found[name] = array
        return found


def to_bytes(
    params: Mapping[str, NDArray[np.float32]], masks: Mapping[str, NDArray[np.bool_]]
) -> bytes:
    """A policies file's content."""
    arrays = {f"{PARAMS}{name}": np.ascontiguousarray(array) for name, array in params.items()}
    arrays |= {f"{MASKS}{name}": np.ascontiguousarray(array) for name, array in masks.items()}
    return save(arrays)


def read_policies(file: Path, seeds: int, expected: str | None = None) -> Policies:
    """A policies file of so many seeds; `expected` is the SHA-256 that run.json has for it.

    Raises ValueError, one line that names the file, where it is missing or not what was written.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        others = sorted(other.stem for other in file.parent.glob("*.safetensors"))
        raise ValueError(f"{file}: missing; there are {', '.join(others) or 'none'}") from None
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    if expected is not None and digest(content) != expected:
        raise ValueError(
            f"{file}: damaged: SHA-256 {digest(content)[:12]}... instead of {expected[:12]}..., "
            f"which {RECORD} has"
        )
    try:
        arrays = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{file}: not a safetensors file: {error}") from None
    params, masks = _part(arrays, PARAMS), _part(arrays, MASKS)
    if not params:
        raise ValueError(f"{file}: no array's name begins with {PARAMS}")
    for name, array in params.items():
        if array.dtype != np.float32:
            raise ValueError(f"{file}: {PARAMS}{name}: found {array.dtype}; allowed: float32")
        if array.shape[:1] != (seeds,):
            raise ValueError(
                f"{file}: {PARAMS}{name}: found shape {array.shape}; allowed: {seeds} seeds first, "
                f"as config.yaml says"
            )
    for name, mask in masks.items():
        if name not in params:
            raise ValueError(f"{file}: {MASKS}{name}: masks an array that is not there")
        if mask.dtype != bool or mask.shape != params[name].shape:
            raise ValueError(
                f"{file}: {MASKS}{name}: found {mask.dtype} {mask.shape}; allowed: bool "
                f"{params[name].shape}"
            )
    return Policies(file, params, masks)


def _part(arrays: Mapping[str, NDArray], prefix: str) -> dict[str, NDArray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
