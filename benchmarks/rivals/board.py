"""One action on a Cortex-M4F, emulated: instructions, flash, memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import microcontroller
from benchmarks.rivals import cmsis_nn, integers, onnx2c
from benchmarks.rivals.case import Case, NotRun, Row
from sparse_rl.artifact import reference

_OBSERVATIONS = 30
"""Observations on the emulated processor."""
_COLUMNS = (
    "instructions",
    "flash of the actor",
    "flash of all",
    "static RAM",
    "stack",
    "largest difference",
)


def board(case: Case, cmsis: Path | None, onnx2c_program: Path | None) -> Iterator[Row | NotRun]:
    """Rows of the Cortex-M4F; nothing where its compiler or its emulator is not installed."""
    if absent := microcontroller.missing_tools():
        yield NotRun("all", f"not installed: {', '.join(absent)}")
        return
    seen = case.observations[:_OBSERVATIONS]
    expected = reference.act(case.dense, seen)
    width = case.dense.output_shape[0]

    def written(
        write: Callable[[Path], None], more: tuple[Path, ...], options: tuple[str, ...]
    ) -> microcontroller.MicrocontrollerReport:
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            write(directory)
            return microcontroller.run_sources(directory, seen, width, more=more, options=options)

    if absent_there := cmsis_nn.missing(cmsis):
        yield NotRun("CMSIS-NN", absent_there)
    else:
        assert cmsis is not None
        folder = cmsis.resolve()
        chain = integers.quantized(case.dense, case.observations)
        report = written(
            lambda directory: cmsis_nn.write(chain, directory),
            tuple(folder / name for name in cmsis_nn.NEEDED),
            (f"-I{folder / 'Include'}",),
        )
        yield _row("CMSIS-NN", "int8", report, integers.actions(chain, seen), expected)
    yield NotRun(
        "TensorFlow Lite Micro", "it calls the same CMSIS-NN, with an interpreter around it"
    )
    if absent_there := onnx2c.missing(onnx2c_program):
        yield NotRun("onnx2c", absent_there)
    else:
        program: Path = onnx2c_program  # type: ignore[assignment]
        report = written(
            lambda directory: onnx2c.write(case.dense, program, directory), (), ("-w",)
        )
        yield _row("onnx2c", "float32", report, expected, expected)
    for name, graph in case.ours.items():
        report = microcontroller.run(graph, seen)
        own = reference.act(graph, seen)
        yield _row("sparse_rl", name, report, own, None)


def _row(
    runtime: str,
    numbers: str,
    report: microcontroller.MicrocontrollerReport,
    own: NDArray,
    dense: NDArray | None,
) -> Row:
    """Raises ValueError where the emulated actions are not those computed here."""
    off = float(np.abs(report.actions - own).max())
    if off > 1e-4:
        raise ValueError(f"{runtime}, {numbers}: actions on the board are off by {off:g}")
    values = (
        round(report.instructions),
        report.flash_actor,
        report.flash_total,
        report.ram_static,
        report.ram_stack,
        "" if dense is None else float(np.abs(own - dense).max()),
    )
    return {"runtime": runtime, "numbers": numbers} | dict(zip(_COLUMNS, values, strict=True))
