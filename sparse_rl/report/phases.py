"""When a run's phases begin and end, by the names readers know them by, and what they ask for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from sparse_rl.runs.record import Record
from sparse_rl.sparsity.cubic import cubic_share

NAMES = {"prefill": "dense", "finetune": "fine-tune", "quantize": "int8"}
"""What a phase is called on a page, where that is not its own name."""


class Phase(NamedTuple):
    """A phase by the name readers know it by, with its first and last environment step."""

    name: str
    begin: int
    end: int


def phases(record: Record) -> list[Phase]:
    """Dense, pruning, fine-tuning and, where there are int8 variants, training in int8.

    Phases of several groups of levels, or of several int8 modes, that share their steps are one. Of
    several methods it is the phases of the first that shares its dense training with others.
    """
    spans: dict[str, Phase] = {}
    methods = [span.method for span in record.phases if span.method]
    from_step_0 = {span.method for span in record.phases if span.begin == 0}
    late = [method for method in methods if method not in from_step_0]
    shown = (late or methods)[:1]
    for span in record.phases:
        if span.method and span.method not in shown:
            continue
        sparse_from_step_0 = span.name == "prefill" and span.method
        name = span.name if sparse_from_step_0 else NAMES.get(span.name, span.name)
        known = spans.get(name, Phase(name, span.begin, span.end))
        spans[name] = Phase(name, min(known.begin, span.begin), max(known.end, span.end))
    return sorted(spans.values(), key=lambda phase: phase.begin)


def target_sparsity(
    record: Record, method: str, level: float, steps: ArrayLike
) -> Float[np.ndarray, " steps"]:
    """What a method asks for at each step: gradual pruning a cubic rise in its phase, others all.

    Zhu and Gupta 2017: s_t = s_f (1 - (1 - (t - t_s)/(t_e - t_s))^3).
    """
    own = [span for span in record.phases if span.method in ("", method)]
    prune = [span for span in own if span.name == "prune"]
    steps = np.asarray(steps, float)
    if not prune:
        return np.full(steps.shape, level)
    begin, end = min(span.begin for span in prune), max(span.end for span in prune)
    if method != "gradual":
        sparse_at_once = any(span.begin == 0 and span.method for span in own)
        return np.where(steps >= (0 if sparse_at_once else begin), level, 0.0)
    return np.asarray(level * cubic_share(np.clip((steps - begin) / (end - begin), 0, 1)))
