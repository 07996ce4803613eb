"""docs/results.md: the studies in words and figures, and the short table that the README has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pandas as pd

from benchmarks.highlights import highlights
from benchmarks.studies import FLOAT32, INT8, RESULTS, ROOT, Study, shown
from sparse_rl.summary.final_table import not_worse_in_order
from sparse_rl.summary.table import formatted

INTRODUCTION = """\
# Results

Made by `python -m benchmarks.overview` from the files in `results/`: do not edit. Each table
stands with the command that made it and with the machine. Returns are interquartile means over
seeds with 95 % bootstrap intervals, each seed by many episodes of its last evaluation; what the
columns and the verdicts mean is on the page of the [report](report.md#the-statistics). Metrics,
configuration and versions of every study lie in its folder.

![Return against sparsity: random play is 0, the dense policy 1](images/overview.png#only-light)
![Return against sparsity: random play is 0, the dense policy 1](images/overview_dark.png#only-dark)

*Random play is 0 and the dense policy 1, of each task its own; bars are the 95 % intervals over
seeds, an arrow says that one goes on. int8 variants have trained a fifth longer than the float32
ones beside them.*

## In short

"Sparsest" is of those that are *not worse*, as all before them are; studies of dense policies, and
those that compare methods or prune the critics too, are below only.
"""

REPEATS = """\
### The same with other seeds

The study again with seeds that it had not seen, and otherwise as it was: the return's
interquartile mean over each set, and the verdict against the dense policy of the same set, for the
variants that every set has. This is how far a verdict of one run carries. The last column is of all
seeds together.
"""


def page(studies: list[Study]) -> str:
    """The whole page."""
    parts = [INTRODUCTION, short_table(shown(studies))]
    for study in studies:
        parts += _study(study)
    parts += highlights(RESULTS)
    return "\n".join(parts)


def _study(study: Study) -> Iterator[str]:
    folder = study.run.path.relative_to(ROOT)
    yield f"## {study.title}\n"
    yield console_block(study.commands)
    yield _table(study)
    yield f"{_conditions(study)} Files: `{folder}/`.\n"
    if not study.has_learned:
        yield "Nothing was learned that could be lost: dense is no better than acting at random.\n"
    if study.caution:
        yield f"**Caution**: {study.caution}\n"
    if (study.run.path / "README.md").is_file():
        yield f"Budget, pictures and what to think of it: `{folder}/README.md`.\n"
    if (study.run.path / "policies").is_dir():
        yield f"Its policies are in the [model zoo](zoo.md#{folder.name}).\n"
    if study.repeats:
        yield REPEATS
        yield _repeats([study, *study.repeats], study.of_all_seeds)
        for repeat in study.repeats:
            yield console_block(repeat.commands)


def _table(study: Study) -> str:
    """The final table without the columns that summary.md has beside these."""
    lines = [
        "| variant | weights | seeds | return, 95 % | minus dense, 95 % | verdict |",
        "|:---|---:|---:|---:|---:|:---|",
    ]
    for row in formatted(study.table):
        returned = _with_interval(row["return"], row["return_interval"])
        difference = _with_interval(row["difference"], row["difference_interval"])
        cells = (row["variant"], row["weights"], row["seeds"], returned, difference, row["verdict"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _with_interval(value: str, interval: str) -> str:
    return value if interval == "-" else f"{value} ({interval})"


def console_block(commands: Sequence[str]) -> str:
    """In a block, broken before an option where they would run out of a page."""
    text = "\n".join(" \\\n    ".join(_lines(command)) for command in commands)
    return f"```console\n{text}\n```\n"


def _lines(command: str, longest: int = 84) -> list[str]:
    first, *options = re.split(r" (?=--)", command)
    lines = [first]
    for option in options:
        if len(lines[-1]) + len(option) < longest:
            lines[-1] += f" {option}"
        else:
            lines.append(option)
    return lines


def _conditions(study: Study) -> str:
    lines = dict(
        line.split(": ", 1) for line in study.run.versions.splitlines() if line.count(": ")
    )
    random = "unknown" if pd.isna(study.random) else f"{study.random:,.4g}"
    config = study.run.config
    more = (
        f", {config.quantization.fraction:.0%} more for int8" if config.quantization.modes else ""
    )
    machine = f"{lines.get('machine', 'a machine not named')}, jax {lines.get('jax', '?')}"
    if lines.get("commit", "").endswith("-dirty"):
        machine += ", from a checkout with changes that were not committed"
    return (
        f"Seeds {config.seed_numbers[0]} to {config.seed_numbers[-1]}, "
        f"{config.training.steps:,} steps each{more}; "
        f"{config.evaluation.final_episodes} episodes in the last evaluation. "
        f"Acting at random: {random}. Made on {machine}."
    )


def _repeats(studies: list[Study], together: pd.DataFrame | None) -> str:
    """A row for each variant of every set, a column for each set of seeds, one for all together."""
    others = [set(one.table["variant"]) for one in studies[1:]]
    names = [name for name in studies[0].table["variant"] if all(name in one for one in others)]
    heads = [
        f"seeds {one.run.config.seed_numbers[0]} to {one.run.config.seed_numbers[-1]}"
        for one in studies
    ]
    columns = [
        {row["variant"]: f"{row['return']} {row['verdict']}" for row in formatted(one.table)}
        for one in studies
    ]
    if together is not None:
        heads.append(f"all {together['seeds'].max()}: minus dense, 95 %")
        columns.append(
            {
                row["variant"]: " ".join(
                    (_with_interval(row["difference"], row["difference_interval"]), row["verdict"])
                )
                for row in formatted(together)
            }
        )
    lines = [f"| variant | {' | '.join(heads)} |", f"|:---|{'---:|' * len(heads)}"]
    lines += [
        f"| {name} | {' | '.join(column.get(name, '') for column in columns)} |" for name in names
    ]
    return "\n".join(lines) + "\n"


def short_table(studies: list[Study], page: str = "") -> str:
    """Dense, int8 and the sparsest variant without loss of each study, a row each.

    A row's link leads to the study's section of `page`, by default of the one it stands on.
    """
    lines = [
        "| task | dense, float32 | 90 %, int8 | sparsest that is not worse |",
        "|:---|---:|---:|---:|",
    ]
    for study in studies:
        plain = study.table.reset_index(drop=True)
        texts = formatted(plain)
        dense = texts[_row(study, plain, FLOAT32, 0.0)]["return"]
        ninety = texts[_row(study, plain, INT8, 0.9)] if _has(study, INT8, 0.9) else None
        sparse = plain[not_worse_in_order(plain) & (plain["target_sparsity"] > 0)]
        best = "none shown"
        if len(sparse):
            order = sparse.sort_values(["target_sparsity", "arithmetic"])
            found = order.iloc[-1]
            method = "" if found["method"] == "gradual" else f"{found['method']}, "
            best = (
                f"{100 * found['target_sparsity']:g} %, {method}{found['arithmetic']}: "
                f"{texts[int(order.index[-1])]['return']}"
            )
        said = "" if ninety is None else f"{ninety['return']} ({ninety['verdict']})"
        task = f"[{study.title}]({page}#{study.anchor}); {study.run.config.seeds} seeds"
        lines.append(f"| {task} | {dense} | {said} | {best} |")
    return "\n".join(lines) + "\n"


def _has(study: Study, arithmetic: str, level: float) -> bool:
    return bool((study.of_arithmetic(arithmetic)["target_sparsity"] == level).any())


def _row(study: Study, plain: pd.DataFrame, arithmetic: str, level: float) -> int:
    rows = study.of_arithmetic(arithmetic)
    name = rows.loc[rows["target_sparsity"] == level, "variant"].iloc[0]
    return int(plain.index[plain["variant"] == name][0])
