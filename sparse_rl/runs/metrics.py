"""metrics.csv: a row for each member, step and metric; read together with what its variants are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from sparse_rl.runs.variant import Variant

COLUMNS = ("step", "phase", "seed", "variant", "metric", "value")
"""Of the file."""
RECORD_COLUMNS = ("method", "sparsity", "critic_sparsity", "arithmetic")
"""Of the table in memory besides: the variant's record."""


class Row(NamedTuple):
    """One line of metrics.csv."""

    step: int
    phase: str
    seed: int
    variant: str
    metric: str
    value: float


def table_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a table with the columns of the file."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


def read_csv(file: Path, columns: tuple[str, ...], numbers: tuple[str, ...]) -> pd.DataFrame:
    """The columns of a table on disk; all but `value` are filled, `numbers` are checked.

    Raises ValueError, one line that names the file and the line.
    """
    try:
        table = pd.read_csv(file, dtype={"variant": str, "phase": str, "metric": str})
    except FileNotFoundError:
        raise ValueError(
            f"{file}: missing; a run directory has config.yaml and metrics.csv"
        ) from None
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, EOFError) as error:
        raise ValueError(f"{file}: not CSV: {' '.join(str(error).split())}") from None
    for column in columns:
        if column not in table.columns:
            raise ValueError(
                f"{file}: column {column!r} is missing; needed are {', '.join(columns)}"
            )
    table = table[list(columns)].copy()
    for column in numbers:
        table[column] = _numbers(table[column], column, file)
    for column in columns:
        if column != "value" and table[column].isna().any():
            row = int(np.flatnonzero(table[column].isna())[0]) + 2
            raise ValueError(f"{file}: line {row}: {column} is empty")
    return table.astype({"step": "int64", "seed": "int64"})


def read_metrics(file: Path, variants: Mapping[str, Variant]) -> pd.DataFrame:
    """metrics.csv with the columns of `COLUMNS` and of `RECORD_COLUMNS`.

    Where a resumed run has written a row twice (all but the value the same) the later one counts.
    Raises ValueError, one line that names the file.
    """
    table = read_csv(file, COLUMNS, ("step", "seed", "value"))
    unknown = sorted(set(table["variant"]) - set(variants))
    if unknown:
        raise ValueError(
            f"{file}: variant {unknown[0]!r} is unknown; variants.json has {', '.join(variants)}"
        )
    return joined(table, variants)


def joined(table: pd.DataFrame, variants: Mapping[str, Variant]) -> pd.DataFrame:
    """A table with the columns of the file, and each variant's record beside its name."""
    columns = {name: variant.to_mapping() for name, variant in variants.items()}
    keys = [column for column in COLUMNS if column != "value"]
    table = table.drop_duplicates(keys, keep="last").reset_index(drop=True)
    records = pd.DataFrame.from_dict(columns, orient="index", columns=list(RECORD_COLUMNS))
    whole = table.join(records, on="variant")
    return whole[[*COLUMNS[:4], *RECORD_COLUMNS, *COLUMNS[4:]]]


def by_member(metrics: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """The rows of each member, with the name of its variant and its seed, sorted by both."""
    for (variant, seed), rows in metrics.groupby(["variant", "seed"], sort=True):
        yield str(variant), int(str(seed)), rows


def _numbers(column: pd.Series, name: str, file: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{file}: line {row + 2}: {name} {column.iloc[row]!r} is not a number")
    return numbers
