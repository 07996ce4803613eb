"""ONNX Runtime's own int8: a float32 model quantized by its tools, for dense layers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from sparse_rl.artifact.latency import Latency, of_function


def model(float_model: bytes, observations: NDArray[np.float32]) -> bytes:
    """Eight bits with the ranges of `observations`, between Q and DQ nodes, which it fuses.

    Without signs: products of signed bytes saturate on processors that have AVX2 and no VNNI
    (actions of a 17-256-256-6 actor were off by 0.8 of a range of 2).
    """

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter(observations)

        def get_next(self) -> dict[str, NDArray] | None:
            row = next(self.rows, None)
            return None if row is None else {"observation": row[None]}

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(float_model)
        quantize_static(
            before,
            after,
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QUInt8,
            extra_options={"ActivationSymmetric": False},
        )
        return after.read_bytes()


def latency_from_python(
    content: bytes, observations: NDArray[np.float32], calls: int
) -> tuple[Latency, NDArray[np.float32]]:
    """Single calls, one thread, and the actions [n, m] of all observations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    actions = session.run(None, {"observation": observations})[0]
    return of_function(
        lambda x: session.run(None, {"observation": x}), observations, calls
    ), actions
