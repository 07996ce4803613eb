"""An int8 chain as a program that calls CMSIS-NN, with the interface of our own C.

CMSIS-NN (github.com/ARM-software/CMSIS-NN, Apache-2.0) is Arm's library of kernels for Cortex-M,
the one beneath TensorFlow Lite Micro and microTVM there. Its folder is named by whoever runs this.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.rivals.integers import HIGHEST, LOWEST, IntegerLayer
from benchmarks.rivals.interface import write_header
from sparse_rl.artifact.c_source.constants import array

NEEDED = (
    "Source/FullyConnectedFunctions/arm_fully_connected_s8.c",
    "Source/NNSupportFunctions/arm_nn_vec_mat_mult_t_s8.c",
)

_CALL = """\
    {{
        const cmsis_nn_fc_params params = {{{input_offset}, 0, {output_offset}, {{{low}, {high}}}}};
        const cmsis_nn_per_tensor_quant_params scale = {{{multiplier}, {shift}}};
        const cmsis_nn_dims in = {{1, 1, 1, {inputs}}}, filter = {{{inputs}, 1, 1, {outputs}}};
        const cmsis_nn_dims bias = {{1, 1, 1, {outputs}}}, out = {{1, 1, 1, {outputs}}};
        status |= arm_fully_connected_s8(&context, &params, &scale, &in, {source}, &filter,
            weights_{number}, &bias, bias_{number}, &out, {target});
    }}
"""


def missing(folder: Path | None) -> str | None:
    """Why CMSIS-NN cannot be used, or None."""
    if folder is None:
        return "--cmsis-nn FOLDER was not given"
    absent = next((name for name in NEEDED if not (folder / name).is_file()), None)
    return absent and f"{folder} has no {absent}"


def write(chain: tuple[IntegerLayer, ...], directory: Path) -> None:
    """srl_actor.h and srl_actor.c in `directory`."""
    inputs, outputs = chain[0].weights.shape[1], chain[-1].weights.shape[0]
    write_header(directory, inputs, outputs)
    widest = max(max(layer.weights.shape) for layer in chain)
    first, last = chain[0].inputs, chain[-1].outputs
    lines = ["#include <math.h>", '#include "arm_nnfunctions.h"', '#include "srl_actor.h"', ""]
    for number, layer in enumerate(chain):
        lines.append(array(f"weights_{number}", "int8_t", layer.weights.ravel()))
        lines.append(array(f"bias_{number}", "int32_t", layer.bias))
    lines += [
        "int srl_act(const srl_observation *observation, srl_action *action)",
        "{",
        "    const cmsis_nn_context context = {0, 0};",
        f"    int8_t a[{widest}], b[{widest}];",
        "    int i, status = 0;",
        f"    for (i = 0; i < {inputs}; i++) {{",
        f"        float x = floorf(observation[i] / {first.scale:.9g}f + 0.5f) + {first.zero}.0f;",
        f"        a[i] = (int8_t)(x < {LOWEST}.0f ? {LOWEST}.0f"
        f" : x > {HIGHEST}.0f ? {HIGHEST}.0f : x);",
        "    }",
    ]
    for number, layer in enumerate(chain):
        lines.append(_call(number, layer))
    result = "ab"[len(chain) % 2]
    lines += [
        f"    for (i = 0; i < {outputs}; i++)",
        f"        action[i] = tanhf(((float){result}[i] - {last.zero}.0f) * {last.scale:.9g}f);",
        "    return status;",
        "}",
        "",
    ]
    (directory / "srl_actor.c").write_text("\n".join(lines))


def _call(number: int, layer: IntegerLayer) -> str:
    multiplier, shift = layer.multiplier_and_shift
    outputs, inputs = layer.weights.shape
    return _CALL.format(
        input_offset=-layer.inputs.zero,
        output_offset=layer.outputs.zero,
        low=layer.outputs.zero if layer.relu else LOWEST,
        high=HIGHEST,
        multiplier=multiplier,
        shift=shift,
        inputs=inputs,
        outputs=outputs,
        number=number,
        source="ab"[number % 2],
        target="ab"[(number + 1) % 2],
    )
