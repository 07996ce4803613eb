import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from sparse_rl.runs.metrics import Row, joined, table_of
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.summary.final_table import final_table
from sparse_rl.summary.table import markdown_table, terminal_table

MakeRun = Callable[..., Path]


def test_markdown_has_a_row_for_each_arm_with_its_numbers(make_run: MakeRun) -> None:
    table = final_table(Run(make_run()).metrics)
    lines = markdown_table(table).splitlines()
    assert len(lines) == 2 + len(table)
    assert len({len(line) for line in lines}) == 1
    row = next(line for line in lines if line.startswith("| 0.98 "))
    expected = table.set_index("variant").loc["0.98"]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert float(cells[4].replace(",", "")) == pytest.approx(expected.return_iqm, abs=0.5)
    assert float(cells[6].replace(",", "")) == pytest.approx(expected.difference, abs=0.5)
    assert cells[-1] == expected.verdict


@pytest.mark.parametrize("width", [80, 100])
def test_terminal_table_fits_without_cutting_a_cell(make_run: MakeRun, width: int) -> None:
    metrics = Run(make_run(failed=((1, 0.9, "float32"),))).metrics
    output = io.StringIO()
    Console(file=output, width=width).print(terminal_table(final_table(metrics), "Hopper-v4"))
    text = output.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    assert "0.99-int8" in text and "7 of 8" in text


@pytest.mark.parametrize("width", [30, 40, 60])
def test_a_narrow_terminal_has_fewer_columns_and_whole_numbers(
    make_run: MakeRun, width: int
) -> None:
    table = final_table(Run(make_run()).metrics)
    output = io.StringIO()
    Console(file=output, width=width).print(terminal_table(table, width=width))
    text = output.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text and "verdict" in text
    row = next(line.split() for line in text.splitlines() if line.startswith("0.99 "))
    assert f"{table.set_index('variant').loc['0.99'].return_iqm:,.0f}" in row


@pytest.mark.parametrize("width", [47, 58, 67])
def test_a_verdict_is_never_cut_where_no_difference_has_an_interval(
    make_run: MakeRun, width: int
) -> None:
    table = final_table(Run(make_run(seeds=2)).metrics)
    output = io.StringIO()
    Console(file=output, width=width).print(terminal_table(table, width=width))
    text = output.getvalue()
    assert "…" not in text and "(dense)" in text and "few" in text


def test_long_names_leave_out_the_weights_and_cut_nothing() -> None:
    names = [DENSE, Variant("rigl", 0.98, 0.5, "int8"), Variant("rigl", 0.5)]
    rows = [
        Row(9, "final", seed, variant.name, metric, value + 17 * seed)
        for variant in names
        for seed in range(4)
        for metric, value in (("return", 2400.0 + seed**2 * variant.sparsity), ("nonzero", 9.0))
    ]
    table = final_table(joined(table_of(rows), {variant.name: variant for variant in names}))
    output = io.StringIO()
    Console(file=output, width=80).print(terminal_table(table))
    text = output.getvalue()
    assert "rigl-0.98-critics0.5-int8" in text and "not worse" in text and "…" not in text
    assert "weights" not in text and "weights" in markdown_table(table)
