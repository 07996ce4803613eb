"""Layer norm and the normalization of an observation as one C function each, in float."""

from __future__ import annotations

import math

from sparse_rl.artifact.c_source.constants import array, real
from sparse_rl.artifact.graph import LayerNorm, Normalize

Shape = tuple[int, ...]


def layer_norm_function(name: str, operation: LayerNorm, shape: Shape) -> str:
    """`name`(x, y) over the channels of every position; images are planes."""
    features, positions = shape[-1], math.prod(shape[:-1])
    # Elements of one position lie a plane apart in an image, beside each other everywhere else.
    if len(shape) == 3:
        step, start = positions, "p"
    else:
        step, start = 1, f"p * {features}"
    at = "i" if step == 1 else f"i * {step}"
    return (
        array(f"{name}_scale", "float", operation.scale)
        + array(f"{name}_bias", "float", operation.bias)
        + f"""
static void {name}(const float *x, float *y)
{{
    int p, i;
    for (p = 0; p < {positions}; p++) {{
        const float *from = x + {start};
        float *to = y + {start};
        float mean = 0.0f, variance = 0.0f, deviation;
        for (i = 0; i < {features}; i++) mean += from[{at}];
        mean = mean / {real(features)};
        for (i = 0; i < {features}; i++) {{
            const float centered = from[{at}] - mean;
            variance += centered * centered;
        }}
        deviation = sqrtf(variance / {real(features)} + {real(operation.epsilon)});
        for (i = 0; i < {features}; i++)
            to[{at}] = (from[{at}] - mean) / deviation * {name}_scale[i] + {name}_bias[i];
    }}
}}

"""
    )


def normalize_function(name: str, operation: Normalize) -> str:
    """`name`(x, y), elementwise; the statistics of an image are stored as planes."""
    mean, deviation = operation.mean, operation.deviation
    if mean.ndim == 3:
        mean, deviation = mean.transpose(2, 0, 1), deviation.transpose(2, 0, 1)
    limit = real(operation.limit)
    return (
        array(f"{name}_mean", "float", mean.ravel())
        + array(f"{name}_deviation", "float", deviation.ravel())
        + f"""
static void {name}(const float *x, float *y)
{{
    int i;
    for (i = 0; i < {mean.size}; i++) {{
        const float scaled = (x[i] - {name}_mean[i]) / {name}_deviation[i];
        y[i] = scaled > {limit} ? {limit} : scaled < -{limit} ? -{limit} : scaled;
    }}
}}

"""
    )
