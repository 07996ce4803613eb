"""Networks of every kind that Rust knows, in every arithmetic, for the tests of generated Rust."""

from dataclasses import replace

import numpy as np

from benchmarks.synthetic import mlp_actor, random_arrays, random_observations, with_static_scales
from sparse_rl.architecture import (
    LARGEST_INPUT,
    ArgMax,
    Clip,
    Dense,
    Flatten,
    Network,
    Normalize,
    Observation,
    Relu,
    Squash,
    Tanh,
    layers,
)
from sparse_rl.artifact import graph, reference
from sparse_rl.artifact.binding import bind
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.rust_source import crate
from sparse_rl.artifact.weights import DynamicScale, Weights, quantize_weights

PIXELS = Network(
    Observation((4, 5, 2), "uint8", 255.0, 2),
    (Flatten(), Dense("a", 20), Relu(), Dense("b", 12), Relu()),
    (Dense("head", 4),),
    ArgMax(),
)
NORMALIZED = Network(
    Observation((7,)),
    (Normalize("normalize"), Dense("a", 12), Relu(), Dense("b", 9), Relu()),
    (Dense("mean", 2),),
    Clip((-2.0, -1.0), (1.0, 3.0)),
)
WITH_TANH = replace(
    NORMALIZED,
    operations=(Normalize("normalize"), Dense("a", 12), Tanh(), Dense("b", 9), Tanh()),
    output=Squash((-2.0, -1.0), (1.0, 3.0)),
)


def bound(network, arithmetic, sparsity=0.5):
    random = np.random.default_rng(1)
    arrays = random_arrays(network, sparsity)
    size = network.observation.shape
    arrays["normalize/mean"] = random.normal(0.3, 0.5, size).astype(np.float32)
    arrays["normalize/variance"] = random.gamma(2.0, 0.5, size).astype(np.float32)
    for layer in layers(network):
        arrays[f"{layer.path}/{LARGEST_INPUT}"] = np.float32(3)
    return bind(network, arrays, arithmetic)


def per_channel(program):
    new = (
        replace(layer, weights=quantize_weights(layer.weights.dequantized(), True))
        for layer in graph.layers(program.operations)
    )
    return replace(program, operations=graph.with_layers(program.operations, new))


def static(program):
    return with_static_scales(program, random_observations(program, 50))


WIDE = (9, 300, 20, 3)
"""With more inputs than 8 bits count."""
PROGRAMS = {
    "float32": compact(mlp_actor(WIDE, 0.9, "float32")),
    "full": mlp_actor((9, 24, 24, 3), 0.0, "float32"),
    "empty": compact(mlp_actor((9, 24, 24, 3), 0.999, "float32")),
    "int8w": compact(mlp_actor(WIDE, 0.9, "int8w")),
    "int8": compact(mlp_actor(WIDE, 0.9, "int8")),
    "full_int8": mlp_actor((9, 24, 24, 3), 0.0, "int8"),
    "per_channel": per_channel(mlp_actor((9, 24, 24, 3), 0.7, "int8")),
    "static": static(mlp_actor((9, 24, 3), 0.7, "int8")),
    "integer": compact(mlp_actor(WIDE, 0.9, "integer")),
    "wide_static": static(mlp_actor(WIDE, 0.9, "int8")),
    "pixels": bound(PIXELS, "int8"),
    "pixels_integer": bound(PIXELS, "integer"),
    "pixels_static": static(bound(PIXELS, "int8")),
    "normalized": bound(NORMALIZED, "float32"),
    "normalized_integer": bound(NORMALIZED, "integer"),
    "normalized_static": static(bound(NORMALIZED, "int8")),
    "tanh": bound(WITH_TANH, "float32"),
    "tanh_integer": bound(WITH_TANH, "integer"),
}
IDENTITY = graph.Dense(Weights(np.eye(8, dtype=np.float32)), np.zeros(8, np.float32))
TANH = graph.Graph(Observation((8,)), (graph.Tanh(), IDENTITY), ArgMax())  # type: ignore[attr-defined]
_BOTH_SIGNS = Weights(np.array([[2, -2], [-2, 2]], np.float32))
_HIDDEN = (graph.Dense(_BOTH_SIGNS, np.zeros(2, np.float32)), graph.Relu())  # type: ignore[attr-defined]
_LAST = {
    "overflowing": replace(_HIDDEN[0]),
    "overflowing_int8": replace(
        _HIDDEN[0],
        weights=quantize_weights(_BOTH_SIGNS.values, False),
        input_scale=DynamicScale(1.0),
    ),
}
OVERFLOWING = {
    name: graph.Graph(Observation((2,)), (*_HIDDEN, last, graph.Relu(), _HIDDEN[0]), ArgMax())  # type: ignore[attr-defined]
    for name, last in _LAST.items()
}
"""Two sums that overflow against each other, and what reads them."""


def observations_of(program, number=60):
    """Random ones and extremes, up to those that an actor refuses."""
    found = random_observations(program, number, 3)
    found[0] = 0
    if found.dtype == np.float32:
        found[1], found[2], found[3], found[4] = 1e4, -1e4, 1e-30, 3e38
        found[5, 1], found[6, 0] = np.nan, np.inf
    else:
        found[1] = 255
    return found


def built(program, title="a title"):
    seen = random_observations(program, 40)
    return crate(program, title, ["a note"], (seen, reference.act(program, seen)))
