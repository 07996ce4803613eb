"""C for the product of a dense layer: sum[o] = sum over i of q[i] * weight[o, i].

Four kernels. `unrolled`: one expression per output, weights as literals. `columns`: only inputs
that are not zero are visited; inputs with equally many weights share a loop of constant length.
`rows`: the smallest code and data, 8-bit indices or gaps. `full`: all weights, in the order that
compilers vectorize, or two rows at once on a microcontroller. Where small data count, `rows` and
`full` keep weights of fifteen values two to a byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact.c_source import half_bytes
from sparse_rl.artifact.c_source.constants import array, real, smallest_unsigned
from sparse_rl.artifact.c_source.target import Target
from sparse_rl.artifact.weights import LARGEST_INTEGER


@dataclass(frozen=True)
class Product:
    """C text that fills `sum` from `q`: constant arrays, declarations and statements.

    The function around it declares `int i, k`.
    """

    constants: str
    declarations: str
    statements: str
    inputs: int
    """Elements of q that are read: the layer's, and zeros up to whole vectors."""
    outputs: int
    """Elements of sum that are written."""


Kernel = Literal["unrolled", "columns", "rows", "full"]
_COLUMN_STEP = 4
_SHORT_ROW = 64
_FOUR = 4


def choose(values: NDArray, integer: bool, target: Target) -> Kernel:
    """The kernel for a weight matrix [inputs, outputs] by its density."""
    terms = int(np.count_nonzero(values))
    density = terms / max(1, values.size)
    unrolled = target.unrolled_density_integer if integer else target.unrolled_density_float
    sparse = target.sparse_density_integer if integer else target.sparse_density_float
    few = terms <= target.unrolled_terms // 4 and density <= target.sparse_density_float
    if few or (density <= unrolled and terms <= target.unrolled_terms):
        return "unrolled"
    if density <= sparse:
        return "rows" if target.rows else "columns"
    return "full"


def exact_in_float(values: NDArray) -> bool:
    """Whether sums of int8 products stay below 2^24 for every output: exact in float32."""
    most = int(np.count_nonzero(values, axis=0).max(initial=0))
    return most * LARGEST_INTEGER**2 < 1 << 24


def source_element(
    kernel: Kernel, integer: bool, nonnegative: bool, target: Target, inputs: int
) -> str:
    """The C type in which the kernel reads its inputs."""
    if not integer:
        return "float"
    if kernel == "full" and _in_pairs(inputs, target):
        return "int16_t"
    if kernel == "full":
        return "dot_unsigned" if nonnegative else "dot_signed"
    return "int8_t" if kernel == "rows" else "int32_t"


def product(
    name: str, values: NDArray, kernel: Kernel, integer: bool, source: str, target: Target
) -> Product:
    """The product with weights [inputs, outputs]; `source` is the C type of q's elements."""
    element = "int32_t" if integer else "float"
    weight = "float" if values.dtype == np.float32 else "int8_t"
    match kernel:
        case "unrolled":
            return Product("", "", _unrolled(values, integer), *values.shape)
        case "columns":
            return _columns(name, values, element)
        case "rows":
            return _rows(name, values, element, weight, source, target)
        case "full":
            return _full(name, values, element, weight, integer, target)


def _literal(value: float, integer: bool) -> str:
    return str(int(value)) if integer else real(float(value))


def _unrolled(values: NDArray, integer: bool) -> str:
    zero = _literal(0, integer)
    lines = []
    for output in range(values.shape[1]):
        column = values[:, output]
        terms = [f"q[{i}] * {_literal(column[i], integer)}" for i in np.flatnonzero(column)]
        lines.append(f"    sum[{output}] = " + ("\n        + ".join(_joined(terms)) or zero) + ";")
    return "\n".join(lines)


def _joined(terms: list[str]) -> list[str]:
    """Terms with four to a line."""
    return [" + ".join(terms[k : k + 4]) for k in range(0, len(terms), 4)]


def _columns(name: str, values: NDArray, element: str) -> Product:
    """Weights are kept in the type of the sum: no conversion in the inner loop."""
    inputs, outputs = values.shape
    counts = np.count_nonzero(values, axis=1)
    padded = -(-counts // _COLUMN_STEP) * _COLUMN_STEP
    order = np.argsort(padded, kind="stable")
    targets: list[int] = []
    weights: list[float] = []
    groups: list[tuple[int, int, int]] = []  # length, first position in order, number of inputs
    for position, i in enumerate(order):
        length = int(padded[i])
        if length == 0:
            continue
        if not groups or groups[-1][0] != length:
            groups.append((length, position, 0))
        groups[-1] = (length, groups[-1][1], groups[-1][2] + 1)
        found = np.flatnonzero(values[i])
        missing = length - len(found)
        targets.extend([*found, *([found[-1]] * missing)])
        weights.extend([*values[i, found], *([0] * missing)])
    index = smallest_unsigned(outputs - 1)
    largest = max((number for _, _, number in groups), default=1)
    place = "uint16_t" if largest <= 1 << 16 else "uint32_t"
    constants = array(f"{name}_target", index, targets) + array(f"{name}_weight", element, weights)
    constants += array(f"{name}_input", smallest_unsigned(inputs - 1), order)
    lines = [f"    for (i = 0; i < {outputs}; i++) sum[i] = 0;"]
    start = 0
    for length, position, number in groups:
        lines.append(
            f"    /* {number} inputs with {length} weights each */\n"
            f"    for (n = 0, k = 0; k < {number}; k++) {{\n"
            f"        active[n] = ({place})k;\n"
            f"        n += q[{name}_input[{position} + k]] != 0;\n"
            "    }\n"
            "    for (k = 0; k < n; k++) {\n"
            f"        const {element} factor = q[{name}_input[{position} + active[k]]];\n"
            f"        const {index} *t = {name}_target + {start} + {length} * active[k];\n"
            f"        const {element} *w = {name}_weight + {start} + {length} * active[k];\n"
            f"        for (i = 0; i < {length}; i++) sum[t[i]] += factor * w[i];\n"
            "    }"
        )
        start += length * number
    if not groups:
        return Product("", "", lines[0], inputs, outputs)
    declarations = f"    {place} active[{largest}];\n    int n;\n"
    return Product(constants, declarations, "\n".join(lines), inputs, outputs)


def _rows(
    name: str, values: NDArray, element: str, weight: str, source: str, target: Target
) -> Product:
    """Each row's indices where they fit into 8 bits, and 8-bit gaps where they do not."""
    halves = half_bytes.fit(values, target)
    inputs, outputs = values.shape
    gaps = inputs > 256
    counts: list[int] = []
    indices: list[int] = []
    weights: list[float] = []
    for output in range(outputs):
        found = np.flatnonzero(values[:, output])
        before, previous = len(indices), 0
        for i in found:
            while gaps and i - previous > 255:
                indices.append(255)
                weights.append(0)
                previous += 255
            indices.append(int(i - previous) if gaps else int(i))
            weights.append(values[i, output])
            previous = int(i)
        counts.append(len(indices) - before)
    constants = array(f"{name}_count", smallest_unsigned(max(counts, default=0)), counts)
    constants += array(f"{name}_index", "uint8_t", indices)
    if halves:
        constants += half_bytes.array_of(f"{name}_weight", weights)
        declared = "    int n = 0;\n"
        factor = f"({element}){half_bytes.element(f'{name}_weight', 'n')}"
        onward = "            n++;\n"
    else:
        constants += array(f"{name}_weight", weight, weights)
        declared = f"    const {weight} *w = {name}_weight;\n"
        factor, onward = f"({element})*w++", ""
    start, step = "", f"            total += q[*t++] * {factor};\n{onward}"
    if gaps:
        start = f"        const {source} *at = q;\n"
        step = f"            at += *t++;\n            total += *at * {factor};\n{onward}"
    return Product(
        constants,
        f"    const uint8_t *t = {name}_index;\n{declared}",
        f"    for (i = 0; i < {outputs}; i++) {{\n" + start + f"        {element} total = 0;\n"
        f"        for (k = 0; k < {name}_count[i]; k++) {{\n{step}        }}\n"
        "        sum[i] = total;\n"
        "    }",
        inputs,
        outputs,
    )


def _full(
    name: str, values: NDArray, element: str, weight: str, integer: bool, target: Target
) -> Product:
    inputs, outputs = values.shape
    if integer and _in_pairs(inputs, target):
        return _pairs(name, values, weight)
    if integer and inputs >= _SHORT_ROW:
        width = _whole_vectors(inputs, target)
        values = np.pad(values, ((0, width - inputs), (0, 0)))
        return Product(
            array(f"{name}_weight", weight, values.T.ravel()),
            "",
            f"    for (i = 0; i < {outputs}; i++) {{\n"
            f"        const {weight} *w = {name}_weight + {width} * i;\n"
            "        int32_t total = 0;\n"
            f"        for (k = 0; k < {width}; k++) total += (int32_t)q[k] * (int32_t)w[k];\n"
            "        sum[i] = total;\n"
            "    }",
            width,
            outputs,
        )
    # Sums of floats may not be reordered, so the inner loop runs over independent outputs.
    width = _whole_vectors(outputs, target)
    values = np.pad(values, ((0, 0), (0, width - outputs)))
    if not integer and half_bytes.fit(values, target):
        constants = half_bytes.array_of(f"{name}_weight", values)
        row, one = "", half_bytes.element(f"{name}_weight", f"({width} * k + i)")
    else:
        stored = "float" if target.wide_weights and not integer else weight
        constants = array(f"{name}_weight", stored, values.ravel())
        row, one = f"        const {stored} *w = {name}_weight + {width} * k;\n", "w[i]"
    return Product(
        constants,
        "",
        f"    for (i = 0; i < {width}; i++) sum[i] = 0;\n"
        f"    for (k = 0; k < {inputs}; k++) {{\n{row}"
        f"        const {element} factor = q[k];\n"
        f"        for (i = 0; i < {width}; i++) sum[i] += factor * ({element}){one};\n"
        "    }",
        inputs,
        width,
    )


def _in_pairs(inputs: int, target: Target) -> bool:
    return target.pairs and inputs >= _FOUR


def _pairs(name: str, values: NDArray, weight: str) -> Product:
    """Two outputs at once; a last odd one is computed twice."""
    inputs, outputs = values.shape
    width = -(-inputs // _FOUR) * _FOUR
    rows = np.pad(values, ((0, width - inputs), (0, 0))).T
    exchanged = rows.reshape(outputs, -1, _FOUR)[:, :, [0, 2, 1, 3]]
    return Product(
        array(f"{name}_weight", weight, exchanged.ravel()),
        "",
        f"    for (i = 0; i < {outputs}; i += 2) {{\n"
        f"        const {weight} *w = {name}_weight + {width} * i;\n"
        f"        two_sums(q, w, i + 1 < {outputs} ? w + {width} : w, {width}, sum + i);\n"
        "    }",
        width,
        outputs + outputs % 2,
    )


def _whole_vectors(size: int, target: Target) -> int:
    """Sizes just beyond a vector leave compilers with slow remainders: fill up with zeros."""
    step = target.vector if size > target.vector // 2 else 1
    return -(-size // step) * step
