"""What an actor is, in words: for whoever has one in Python or in a notebook."""

from __future__ import annotations

from html import escape

import numpy as np

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import Convolution, Graph, Layer, layers
from sparse_rl.artifact.packed import Provenance
from sparse_rl.artifact.weights import DynamicScale


def facts(graph: Graph, about: Provenance, backend: str) -> dict[str, str]:
    """Where it comes from, what it reads and gives, its layers and weights."""
    found = {}
    if about.environment:
        found["environment"] = about.environment
    if about.variant:
        seed = "" if about.seed is None else f", seed {about.seed}"
        found["trained as"] = f"{about.variant}{seed}"
    if about.measured_return is not None:
        found["return"] = f"{about.measured_return:.4g} when it was made"
    reads = graph.observation
    found["reads"] = f"{reads.dtype} {_shape(reads.shape)}"
    width = graph.output_shape[0] if graph.output_shape else 1
    discrete = isinstance(graph.output, ArgMax)
    found["gives"] = "the number of an action" if discrete else f"float32 [{width}]"
    every = list(layers(graph.operations))
    kernels = [layer.weights.values for layer in every]
    found["layers"] = ", ".join(
        f"{'convolution' if isinstance(layer, Convolution) else 'dense'} {_shape(kernel.shape)}"
        for layer, kernel in zip(every, kernels, strict=True)
    )
    size = sum(kernel.size for kernel in kernels)
    left = sum(layer.weights.nonzero for layer in every)
    types = " and ".join(sorted({str(np.dtype(kernel.dtype)) for kernel in kernels}))
    share = 100 * (1 - left / size) if size else 0.0
    found["weights"] = f"{left:,} of {size:,} in {types}: {share:.4g} % are zero"
    found["runs as"] = "compiled C" if backend == "c" else "NumPy"
    return found


def numbers(layer: Layer) -> str:
    """In words how a layer multiplies."""
    if layer.weights.scale is None:
        return "float32"
    if layer.input_scale is None:
        return "int8 weights"
    if isinstance(layer.input_scale, DynamicScale):
        return "int8, a scale for each observation"
    return "int8, fixed scales" if unit_of(layer) is None else "int8, fixed powers of two"


def in_a_line(found: dict[str, str]) -> str:
    """The facts but for the layers."""
    parts = [
        f"return {value}" if key == "return" else value
        for key, value in found.items()
        if key not in ("layers", "reads", "gives")
    ]
    return f"Actor({'; '.join(parts)}; {found['reads']} -> {found['gives']})"


def as_html(found: dict[str, str]) -> str:
    """The facts as a table."""
    left = 'style="text-align:left"'
    rows = (
        f"<tr><th {left}>{escape(key)}</th><td {left}>{escape(value)}</td></tr>"
        for key, value in found.items()
    )
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
