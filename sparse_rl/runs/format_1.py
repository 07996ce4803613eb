"""Run directories of format 1, read only: no run.json, and columns in the place of variants.

Its metrics.csv has `sparsity` and `quantization`; a policy's file is named 0.9 or 0.9-int8, as the
variants of that sparsity and arithmetic still are; the phases follow from the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sparse_rl.runs.metrics import COLUMNS, joined, read_csv
from sparse_rl.runs.record import Record, Span
from sparse_rl.runs.settings import number, values
from sparse_rl.runs.variant import Variant

OLD_COLUMNS = ("step", "phase", "seed", "sparsity", "quantization", "metric", "value")
ARITHMETICS = ("float32", "int8w", "int8")


def read_metrics(file: Path) -> tuple[pd.DataFrame, dict[str, Variant]]:
    """The metrics as a run of today has them, and its variants by name.

    Raises ValueError, one line that names the file.
    """
    table = read_csv(file, OLD_COLUMNS, ("step", "seed", "sparsity", "value"))
    unknown = sorted(set(table["quantization"].astype(str)) - set(ARITHMETICS))
    if unknown:
        raise ValueError(
            f"{file}: quantization {unknown[0]!r} is unknown; allowed: {', '.join(ARITHMETICS)}"
        )
    pairs = table[["sparsity", "quantization"]].drop_duplicates().itertuples(index=False)
    names = {
        (level, kind): Variant(sparsity=float(level), arithmetic=str(kind)) for level, kind in pairs
    }
    keys = zip(table["sparsity"], table["quantization"], strict=True)
    table["variant"] = pd.Series([names[key].name for key in keys], table.index, dtype=str)
    variants = {variant.name: variant for variant in names.values()}
    return joined(table[list(COLUMNS)], variants), variants


def record(config: Mapping[str, Any]) -> Record:
    """The phases that such a run had by its configuration; there are no digests."""
    seeds, steps = int(number(config, "seeds")), int(number(config, "training.steps"))
    frequency = int(number(config, "training.train_frequency", 1))

    def share(key: str) -> int:
        return round(steps * number(config, key) / frequency) * frequency

    begin, end = share("sparsity.begin"), share("sparsity.end")
    pruned = seeds * len(values(config, "sparsity.levels"))
    phases = [
        Span("dense", 0, begin, seeds),
        Span("prune", begin, end, pruned),
        Span("finetune", end, steps, pruned),
    ]
    for _ in values(config, "quantization.modes"):
        phases.append(Span("quantize", steps, steps + share("quantization.fraction"), pruned))
    return Record(tuple(phase for phase in phases if phase.end > phase.begin))
