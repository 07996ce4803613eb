"""Whole numbers that int32 or float32 do not hold: refused, or computed as the graph says."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from sparse_rl.architecture.operations import ArgMax, Observation
from sparse_rl.artifact import graph as graphs
from sparse_rl.artifact import integer_chain, reference
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, generate
from sparse_rl.artifact.graph import Dense, Graph, Rescale
from sparse_rl.artifact.packed import ArtifactError, PackedActor, from_bytes, to_bytes
from sparse_rl.artifact.runtime import Actor
from sparse_rl.artifact.weights import DynamicScale, StaticScale, Weights

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="gcc not found")
TARGETS = pytest.mark.parametrize("target", [HOST, MICROCONTROLLER], ids=lambda target: target.name)


def layer(values, scale, weight_scale=1.0, bias=0.0):
    kernel = np.array(values, np.int8)
    biases = np.full(kernel.shape[1], bias, np.float32)
    weights = Weights(kernel, np.array([weight_scale], np.float32))
    return Dense(weights, biases, StaticScale(scale))


def outputs_of(graph, seen, folder, target):
    """By C; NaN where it refuses."""
    generate(graph, target).write(folder)
    options = ["-std=c99", "-O1", "-ffp-contract=off", "-shared", "-fPIC"]
    files = ["-o", folder / "actor.so", folder / "srl_actor.c", "-lm"]
    subprocess.run([GCC, *options, *files], check=True)
    function = ctypes.CDLL(str(folder / "actor.so")).srl_outputs
    found = np.empty((len(seen), *graph.output_shape), np.float32)
    for row, result in zip(np.ascontiguousarray(seen), found, strict=True):
        places = (ctypes.c_void_p(array.ctypes.data) for array in (row, result))
        if function(*places):
            result[:] = np.nan
    return found


@needs_gcc
@TARGETS
@pytest.mark.parametrize("divisor", [255.0, 65535.0, 16777215.0, 2147483647.0])
@pytest.mark.parametrize("exponent", [-7, -15, -16, -21, -22, -24, -30, -127])
def test_bytes_are_read_as_the_graph_reads_them_whatever_the_scale(
    tmp_path, exponent, divisor, target
):
    one = layer(np.eye(4), 2.0**exponent, 2.0 ** min(0, -exponent - 20))
    graph = Graph(Observation((4,), "uint8", divisor), (one,), ArgMax())
    assert integer_chain.units(graph) is not None
    seen = np.arange(256, dtype=np.uint8).reshape(-1, 4)
    expected = reference.outputs(graph, seen)
    np.testing.assert_array_equal(outputs_of(graph, seen, tmp_path, target), expected)


@needs_gcc
@TARGETS
def test_rounding_a_sum_leaves_room_in_32_bits(tmp_path, target):
    """2^30 of products and nearly as much of a bias: half of the next step is too much for it."""
    inputs, most = 66_000, (1 << 30) - 64
    first = layer(np.full((inputs, 1), 127), 1.0, bias=float(most))
    graph = Graph(Observation((inputs,)), (first, layer([[1, 2]], 2.0**30)), ArgMax())
    seen = np.full((2, inputs), 127, np.float32)
    seen[1] = -127
    found = outputs_of(graph, seen, tmp_path, target)
    np.testing.assert_array_equal(found, reference.outputs(graph, seen))


@pytest.mark.parametrize("scale", [DynamicScale(), StaticScale(1.0)], ids=["dynamic", "static"])
def test_sums_that_32_bits_do_not_hold_are_refused_also_in_a_file(monkeypatch, scale):
    bias, whole = np.zeros(1, np.float32), np.ones(1, np.float32)
    kernel = np.full((133_145, 1), 127, np.int8)
    assert 127 * int(kernel.sum(dtype=np.int64)) >= 1 << 31
    with monkeypatch.context() as patched:
        patched.setattr(graphs, "_INT32", 1 << 40)
        dense = Dense(Weights(kernel, whole), bias, scale)
        data = to_bytes(PackedActor(Graph(Observation((len(kernel),)), (dense,), ArgMax())))
    message = "sums of products up to 2147495705; allowed: below 2147483648"
    with pytest.raises(ArtifactError, match=message):
        from_bytes(data)
    with pytest.raises(ValueError, match=message):
        Dense(Weights(kernel, whole), bias, scale)
    kernel[0] = 0  # one product fewer fits
    assert Dense(Weights(kernel, whole), bias, scale).weights.nonzero == 133_144
    assert Dense(Weights(np.full((133_145, 1), 127, np.int8), whole), bias).input_scale is None


@needs_gcc
@TARGETS
def test_an_output_that_float32_does_not_hold_is_refused(tmp_path, target):
    last = layer([[127, 1], [127, 1]], 2.0**100, 2.0**20)
    graph = Graph(Observation((2,)), (layer(np.eye(2), 2.0**100), last), ArgMax())
    seen = np.array([[0, 0], [2e32, 2e32]], np.float32)
    found = outputs_of(graph, seen, tmp_path, target)
    assert (found[0] == 0).all() and np.isnan(found[1]).all()
    with pytest.raises(ValueError, match="too large"):
        Actor(PackedActor(graph), "numpy")(seen)


@needs_gcc
@TARGETS
@pytest.mark.parametrize("exponents", [(127, 127), (-128, -128), (127, -128)])
@pytest.mark.parametrize("scale", [2.0**-127, 2.0**-100, 1.0, 2.0**100, 2.0**127])
def test_steps_of_an_observation_that_float32_does_not_hold(tmp_path, exponents, scale, target):
    """One product in place of two would be infinite, or nothing, where the two are not."""
    rescale = Rescale(np.array(exponents, np.int8))
    graph = Graph(Observation((2,)), (rescale, layer(np.eye(2), scale)), ArgMax())
    values = [0.0, 1.0, -1.0, 3e38, 1e-38, 1e-45, 2.0**-126]
    seen = np.array([[one, other] for one in values for other in values], np.float32)
    found = outputs_of(graph, seen, tmp_path, target)
    expected = Actor(PackedActor(graph), "numpy")._act(seen)[1]
    np.testing.assert_array_equal(np.isfinite(found).all(axis=1), expected)
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = reference.outputs(graph, seen)
    np.testing.assert_array_equal(found[expected], outputs[expected])


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**100])
def test_a_unit_that_no_byte_has_the_exponent_of_is_written_in_floats(scale):
    graph = Graph(Observation((2,)), (layer(np.eye(2), scale, scale),), ArgMax())
    assert integer_chain.units(graph) is None
    data = to_bytes(PackedActor(graph))
    assert data[3] == 1
    read = from_bytes(data).graph.operations[0]
    assert isinstance(read, Dense) and read.input_scale == StaticScale(scale)
    assert read.weights.scale == np.float32(scale)
