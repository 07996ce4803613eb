"""The actors given to other runtimes are the actor, and are called as their interfaces say."""

import stat
from fractions import Fraction

import numpy as np
import pytest

from benchmarks import synthetic
from benchmarks.rivals import cmsis_nn, integers, litert, onnx2c
from sparse_rl.artifact import reference
from sparse_rl.artifact.compiler import compile_shared, find_compiler
from sparse_rl.artifact.cost import latency

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
GRAPH = synthetic.mlp_actor((17, 32, 24, 6), 0.0, "float32")
SEEN = synthetic.random_observations(GRAPH, 200)

# The part of CMSIS-NN's interface that is called, written from its documentation.
STAND_IN = """
#include <stdint.h>
#include <math.h>
typedef struct { void *buf; int32_t size; } cmsis_nn_context;
typedef struct { int32_t min, max; } cmsis_nn_activation;
typedef struct {
    int32_t input_offset, filter_offset, output_offset;
    cmsis_nn_activation activation;
} cmsis_nn_fc_params;
typedef struct { int32_t multiplier, shift; } cmsis_nn_per_tensor_quant_params;
typedef struct { int32_t n, h, w, c; } cmsis_nn_dims;
static int arm_fully_connected_s8(const cmsis_nn_context *context,
    const cmsis_nn_fc_params *params, const cmsis_nn_per_tensor_quant_params *scale,
    const cmsis_nn_dims *in, const int8_t *input, const cmsis_nn_dims *filter,
    const int8_t *kernel, const cmsis_nn_dims *bias_dims, const int32_t *bias,
    const cmsis_nn_dims *out, int8_t *output)
{
    int i, j;
    (void)context;
    if (in->n != 1 || in->c != filter->n || filter->c != out->c || bias_dims->c != out->c) return 1;
    for (j = 0; j < out->c; j++) {
        double y = bias[j];
        for (i = 0; i < filter->n; i++)
            y += (double)kernel[j * filter->n + i] * (input[i] + params->input_offset);
        y = floor(ldexp(y * scale->multiplier, scale->shift - 31) + 0.5) + params->output_offset;
        output[j] = (int8_t)fmin(fmax(y, params->activation.min), params->activation.max);
    }
    return 0;
}
"""


def test_an_integer_chain_acts_nearly_as_the_float32_one() -> None:
    chain = integers.quantized(GRAPH, SEEN)
    difference = np.abs(integers.actions(chain, SEEN) - reference.act(GRAPH, SEEN))
    assert 0 < difference.max() < 0.05
    assert [layer.relu for layer in chain] == [True, True, False]
    assert chain[0].outputs.zero == integers.LOWEST  # a ReLU's range begins at 0


@pytest.mark.parametrize("factor", [0.75, 0.001234, 1e-5, 3.7])
def test_a_sum_is_scaled_within_one_step(factor: float) -> None:
    layer = integers.IntegerLayer(
        np.zeros((1, 1), np.int8),
        factor,
        np.zeros(1, np.int32),
        False,
        integers.Scale(1.0, 0),
        integers.Scale(1.0, 0),
    )
    multiplier, shift = layer.multiplier_and_shift
    exact = Fraction(multiplier) * Fraction(2) ** (shift - 31)
    assert abs(exact / Fraction(factor) - 1) < Fraction(1, 2**30)
    sums = np.random.default_rng(0).integers(-100_000, 100_000, 1000)
    scaled = integers._scaled(sums, multiplier, shift)
    for number, found in zip(sums.tolist(), scaled.tolist(), strict=True):
        assert abs(exact * number - found) <= Fraction(1, 2) + Fraction(1, 100)


def test_what_is_no_chain_of_dense_layers_is_refused() -> None:
    network = synthetic.minatar_q_network(0.0, "float32")
    with pytest.raises(ValueError, match="dense layers, ReLU and tanh"):
        integers.quantized(network, synthetic.random_observations(network, 2))


@needs_compiler
def test_cmsis_nn_is_called_with_its_arguments_in_order(tmp_path) -> None:
    import ctypes

    chain = integers.quantized(GRAPH, SEEN)
    cmsis_nn.write(chain, tmp_path)
    (tmp_path / "arm_nnfunctions.h").write_text(STAND_IN)
    library = ctypes.CDLL(str(compile_shared(tmp_path, tmp_path / "actor.so")))
    found = np.empty((len(SEEN), 6), np.float32)
    for row, action in zip(SEEN, found, strict=True):
        pointers = (row.ctypes.data_as(ctypes.c_void_p), action.ctypes.data_as(ctypes.c_void_p))
        assert library.srl_act(*pointers) == 0
    # The stand-in rounds once, CMSIS-NN twice: near an edge a unit moves by a step.
    expected = integers.actions(chain, SEEN)
    assert np.mean(np.abs(found - expected) < 1e-6) > 0.9
    assert np.abs(found - expected).max() < 3 * chain[-1].outputs.scale


def test_what_is_not_there_is_named(tmp_path) -> None:
    assert cmsis_nn.missing(None) == "--cmsis-nn FOLDER was not given"
    assert cmsis_nn.missing(tmp_path) == f"{tmp_path} has no {cmsis_nn.NEEDED[0]}"
    assert onnx2c.missing(tmp_path / "none") == f"{tmp_path / 'none'} is not a program"


@needs_compiler
def test_what_onnx2c_writes_is_timed_as_ours_is(tmp_path) -> None:
    pytest.importorskip("onnx")
    program = tmp_path / "onnx2c"
    written = "void entry(const float in[1][17], float out[1][6]) { out[0][5] = in[0][16]; }"
    program.write_text(f"#!/bin/sh\necho '{written}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    onnx2c.write(GRAPH, program, tmp_path)
    timer = latency.build_written_timer(tmp_path)
    assert len(latency.run_timer(timer, tmp_path, SEEN, 30)) == 30
    program.write_text("#!/bin/sh\necho 'no such operator' >&2\nexit 1\n")
    with pytest.raises(ValueError, match="onnx2c: 'no such operator'"):
        onnx2c.write(GRAPH, program, tmp_path)


def test_onnx_runtimes_own_int8_acts_nearly_as_float32() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from benchmarks.rivals import onnx_integers
    from sparse_rl.artifact.onnx.model import to_unguarded_onnx

    content = onnx_integers.model(to_unguarded_onnx(GRAPH).SerializeToString(), SEEN)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(None, {"observation": SEEN})[0]
    assert 0 < np.abs(found - reference.act(GRAPH, SEEN)).max() < 0.1


@pytest.mark.skipif(litert.missing() is not None, reason="ai-edge-litert is not installed")
def test_litert_acts_as_the_actor() -> None:
    chain = integers.quantized(GRAPH, SEEN)
    _, actions = litert.latency(litert.float_model(GRAPH), SEEN, 10)
    np.testing.assert_allclose(actions, reference.act(GRAPH, SEEN), rtol=0, atol=1e-5)
    _, actions = litert.latency(litert.integer_model(chain), SEEN, 10)
    assert np.abs(actions - integers.actions(chain, SEEN)).max() < 3 * chain[-1].outputs.scale
