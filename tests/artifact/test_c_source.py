"""Generated C: the same outputs as the graph, no warnings, no undefined behaviour."""

import ctypes
import functools
import os
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.architecture.operations import ArgMax, Flatten, MaxPool, Observation, Tanh
from sparse_rl.artifact import integer_chain, reference
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, Target, generate
from sparse_rl.artifact.c_source.constants import array, real
from sparse_rl.artifact.graph import Dense, Graph, LayerNorm, Rescale, Residual, layers, with_layers
from sparse_rl.artifact.weights import StaticScale, Weights
from sparse_rl.compression.post_training import in_four_bits, quantized

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wshadow", "-pedantic", "-Werror"]
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C compiler (gcc or clang) found")

EVERY_KERNEL = {
    "host": HOST,
    "microcontroller": MICROCONTROLLER,
    "unrolled": Target("unrolled", 1, 1, 10**6, 1, 1, rows=False),
    "columns": Target("columns", 0, 0, 0, 1, 1, rows=False),
    "full": Target("full", 0, 0, 0, 0, 0, rows=False, vector=64, wide_weights=True),
}


def outputs_of(program, observations, directory, compiler=COMPILERS[0], target=HOST):
    """Outputs of the compiled C, one observation after the other."""
    graph = getattr(program, "graph", program)
    generate(program, target).write(directory)
    library = directory / "actor.so"
    command = [compiler, "-std=c99", "-O1", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run(
        [*command, "-o", library, directory / "srl_actor.c", "-lm"], check=True, capture_output=True
    )
    function = ctypes.CDLL(str(library)).srl_outputs
    kind = np.float32 if observations.dtype == np.float32 else np.uint8
    stored = np.ascontiguousarray(observations, kind)
    results = np.empty((len(stored), *graph.output_shape), np.float32)
    for row, result in zip(stored, results, strict=True):
        assert function(ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(result.ctypes.data)) == 0
    return results


@pytest.mark.parametrize("quantization", ["float32", "int8w", "int8", "static"])
def test_outputs_are_those_of_the_graph(tmp_path, architecture, quantization):
    kind = "int8" if quantization == "static" else quantization
    graph = architecture(sparsity=0.8, quantization=kind)
    observations = synthetic.random_observations(graph, 20)
    if quantization == "static":
        graph = synthetic.with_static_scales(graph, observations)
    expected = reference.outputs(graph, observations)
    found = outputs_of(graph, observations, tmp_path)
    if kind == "int8":
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("target", EVERY_KERNEL)
def test_every_kernel_gives_the_same_outputs(tmp_path, target, sparsity, compiler):
    sizes = (19, 70, 300, 31, 3)
    if target == "unrolled" and sparsity == 0.0:
        sizes = (19, 30, 30, 2)  # compilers take a minute for 30,000 terms
    graph = synthetic.mlp_actor(sizes, sparsity, "int8", seed=5)
    observations = synthetic.random_observations(graph, 30)
    found = outputs_of(graph, observations, tmp_path, compiler, EVERY_KERNEL[target])
    np.testing.assert_array_equal(found, reference.outputs(graph, observations))


@pytest.mark.parametrize("quantization", ["float32", "int8w"])
@pytest.mark.parametrize("target", EVERY_KERNEL)
def test_every_float_kernel_gives_the_same_outputs(tmp_path, target, quantization):
    graph = synthetic.mlp_actor((19, 70, 300, 30, 2), 0.85, quantization, seed=6)
    observations = synthetic.random_observations(graph, 30)
    found = outputs_of(graph, observations, tmp_path, target=EVERY_KERNEL[target])
    np.testing.assert_allclose(found, reference.outputs(graph, observations), rtol=0, atol=1e-5)


@pytest.mark.parametrize("sparsity", [0.0, 0.85])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_weights_of_four_bits_take_half_a_byte_on_a_microcontroller(tmp_path, compiler, sparsity):
    dense = synthetic.mlp_actor((19, 71, 301, 30, 3), sparsity, "float32", seed=6)
    graph = quantized(dense, "channel", None, in_four_bits)
    observations = synthetic.random_observations(graph, 30)
    found = outputs_of(graph, observations, tmp_path, compiler, MICROCONTROLLER)
    np.testing.assert_allclose(found, reference.outputs(graph, observations), rtol=0, atol=1e-5)
    text = (tmp_path / "srl_actor.c").read_text()
    # Each of the odd numbers of weights is filled up to whole bytes; gaps have a weight, too.
    kept = [int(n) for n in re.findall(r"uint8_t \w+_weight\[(\d+)\]", text)]
    weights = [layer.weights.nonzero for layer in layers(graph.operations)]
    if sparsity == 0:
        weights = [layer.weights.values.size for layer in layers(graph.operations)]
    assert all(2 * n - 20 <= w <= 2 * n for n, w in zip(kept, weights, strict=True))
    whole = quantized(dense, "channel", None)
    assert "uint8_t layer_0_weight" not in generate(whole, MICROCONTROLLER).files["srl_actor.c"]


def test_kernels_are_chosen_by_density():
    def kernels(sparsity, quantization, target):
        return generate(
            synthetic.mlp_actor((17, 256, 256, 6), sparsity, quantization), target
        ).kernels[1]

    assert kernels(0.0, "int8", HOST) == kernels(0.0, "int8w", MICROCONTROLLER) == "full"
    assert kernels(0.9, "int8", HOST) == "full"
    assert kernels(0.9, "int8w", HOST) == "columns"
    assert kernels(0.98, "int8", HOST) == "unrolled"
    assert kernels(0.9, "int8", MICROCONTROLLER) == "rows"


@pytest.mark.parametrize(
    "pool",
    [
        MaxPool((3, 2), (2, 2), "SAME"),
        MaxPool((3, 2), (2, 2), "VALID"),
        MaxPool((1, 4), (1, 1), "SAME"),
        MaxPool((2, 1), (3, 2), "VALID"),
        MaxPool((5, 5), (1, 3), "SAME"),
        MaxPool((9, 11), (2, 1), "SAME"),  # larger than the image
    ],
    ids=str,
)
def test_pooling_with_any_window_and_padding(tmp_path, pool):
    random = np.random.default_rng(2)
    graph = Graph(Observation((7, 5, 2)), (pool, Flatten()), ArgMax())
    observations = random.standard_normal((6, 7, 5, 2)).astype(np.float32)
    # C keeps planes, and puts them into the graph's order where no dense layer does.
    expected = reference.outputs(graph, observations)
    np.testing.assert_array_equal(outputs_of(graph, observations, tmp_path), expected)


SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@functools.cache
def sanitizes(compiler):
    """Whether a compiler has its sanitizers' libraries."""
    command = [compiler, "-xc", "-", *SANITIZERS, "-o", "/dev/null"]
    program = "int main(void) { return 0; }"
    return subprocess.run(command, input=program, text=True, capture_output=True).returncode == 0


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("quantization", ["int8w", "int8", "static"])
def test_no_warnings_and_clean_under_sanitizers(tmp_path, architecture, quantization, compiler):
    if not sanitizes(compiler):
        pytest.skip(f"{compiler} has no sanitizers here")
    graph = architecture(sparsity=0.9, quantization="int8w" if quantization == "int8w" else "int8")
    observations = synthetic.random_observations(graph, 5)
    if quantization == "static":
        graph = synthetic.with_static_scales(graph, observations)
    source = generate(graph, title='a "title" with */ and \n in it')
    source.write(tmp_path)
    built = subprocess.run(
        [compiler, *STRICT, "-O1", *SANITIZERS, "-o", "example", "main.c", "srl_actor.c", "-lm"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    extreme = observations.astype(np.float64)
    if graph.observation.dtype == "float32":
        # Sums may overflow to infinity in float, never past the end of an array or an integer.
        extreme = np.concatenate([extreme, extreme * 1e30, extreme * 1e-42, extreme * 0])
    text = "\n".join(" ".join(f"{float(v):.9g}" for v in row.ravel()) for row in extreme)
    ran = subprocess.run(["./example"], cwd=tmp_path, input=text, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    actions = [[float(v) for v in line.split()] for line in ran.stdout.splitlines()]
    assert len(actions) == len(extreme)
    expected = reference.act(graph, observations)
    found = np.array(actions[: len(observations)]).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_no_static_variables_and_no_allocation(tmp_path):
    graph = synthetic.mlp_actor((17, 64, 64, 6), 0.9, "int8")
    generate(graph).write(tmp_path)
    subprocess.run([COMPILERS[0], "-std=c99", "-c", "srl_actor.c"], cwd=tmp_path, check=True)
    sizes = subprocess.run(
        ["size", "srl_actor.o"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.splitlines()[1]
    _, data, bss = map(int, sizes.split()[:3])
    assert (data, bss) == (0, 0)
    symbols = subprocess.run(
        ["nm", "-u", "srl_actor.o"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(symbols) - {"U"} <= {
        "tanhf",
        "memcpy",
        "memset",
        "__stack_chk_fail",
        "_GLOBAL_OFFSET_TABLE_",
    }


def test_observations_that_are_not_finite_are_refused(tmp_path):
    graph = synthetic.mlp_actor((3, 4, 2), 0.0, "int8")
    generate(graph).write(tmp_path)
    library = tmp_path / "actor.so"
    flags = ["-std=c99", "-O3", "-shared", "-fPIC", "-o", library, tmp_path / "srl_actor.c", "-lm"]
    subprocess.run([COMPILERS[0], *flags], check=True)
    act = ctypes.CDLL(str(library)).srl_act
    action = np.full(2, 7, np.float32)
    for bad in (np.nan, np.inf, -np.inf):
        row = np.array([0, bad, 0], np.float32)
        assert act(ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(action.ctypes.data)) == -1
    assert action.tolist() == [7, 7]


def test_numbers_are_written_exactly():
    values = np.array([0.1, -1e-42, 3e38, 1.0, -0.0, 127 / 3], np.float32)
    assert [np.float32(real(v).rstrip("f")) for v in values] == values.tolist()
    assert array("a", "int8_t", []) == "static const int8_t a[1] = {\n    0\n};\n"


def test_fixed_scales_clip_what_is_beyond_them(tmp_path):
    graph = synthetic.mlp_actor((3, 4, 2), 0.0, "int8")
    observations = synthetic.random_observations(graph, 50)
    static = synthetic.with_static_scales(graph, observations[:5])
    np.testing.assert_array_equal(
        outputs_of(static, observations, tmp_path), reference.outputs(static, observations)
    )


def example(graph, directory):
    """A function of text that runs the example program."""
    generate(graph).write(directory)
    command = [COMPILERS[0], *STRICT, "-o", "example", "main.c", "srl_actor.c", "-lm"]
    subprocess.run(command, cwd=directory, check=True)

    def run(text):
        found = subprocess.run(
            ["./example"], cwd=directory, input=text, capture_output=True, text=True
        )
        return found.returncode, len(found.stdout.splitlines()), found.stderr.strip()

    return run


def test_the_example_stops_with_an_error_at_a_word_that_is_no_number(tmp_path):
    run = example(synthetic.mlp_actor((3, 4, 2), 0.0, "int8"), tmp_path)
    assert run("1 2 3\n4 5 6\n") == (0, 2, "")
    assert run("1 2 3\n4 five 6\n1 2 3\n") == (1, 1, "number 5: not a number")
    assert run("1 2 3 4") == (1, 1, "the last observation is incomplete: 1 of 3 numbers")
    for beyond in ("nan", "inf", "1e39", "-1e999999999999999999999"):
        found = run(f"1 2 {beyond}")
        assert found == (1, 0, "observation: a number is not finite, or too large to act on")
    assert run("") == (0, 0, "")
    assert run("1 2 1e-400\n") == (0, 1, "")
    assert run("1,5 2 3") == (1, 0, "number 1: not a number")
    assert run("1 2.5.5 3 4") == (1, 0, "number 2: not a number")
    # Cut in two, the second half of it would be the next number.
    assert run("1 2 0." + "1" * 125 + " 4") == (1, 0, "number 3: not a number")
    assert run("1 2 0." + "1" * 124)[0] == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_the_example_says_what_it_cannot_read_or_write(tmp_path):
    example(synthetic.mlp_actor((3, 4, 2), 0.0, "int8"), tmp_path)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [tmp_path / "example"], input="1 2 3", stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (1, "the actions cannot be written\n")
    folder = os.open(tmp_path, os.O_RDONLY)
    done = subprocess.run([tmp_path / "example"], stdin=folder, capture_output=True, text=True)
    os.close(folder)
    assert (done.returncode, done.stderr) == (1, "the observations cannot be read\n")


def test_the_example_reads_whole_numbers_in_range_where_the_actor_reads_bytes(tmp_path):
    operations = (Flatten(), *synthetic.mlp_actor((4, 3, 2), 0.0, "int8").operations)
    for kind, largest in (("uint8", 255), ("bool", 1)):
        graph = Graph(Observation((2, 2), kind), operations, ArgMax())
        run = example(graph, tmp_path / kind)
        assert run(f"0 0 0 {largest}") == (0, 1, "")
        assert run(f"0 0 {largest + 1} 0") == (
            1,
            0,
            f"number 3: found {largest + 1}; allowed: 0 to {largest}",
        )
        assert run("0 0 -1 0")[0] == 1
        assert run("0 0.5 1 0") == (1, 0, "number 2: not a whole number")
        allowed = f"allowed: 0 to {largest}"
        # 2^32 and one: what holds 32 bits alone would read 1.
        for beyond in ("4294967297", "18446744073709551617", "-4294967295"):
            assert run(f"{beyond} 0 0 0") == (1, 0, f"number 1: found {beyond}; {allowed}")


def a_layer(inputs, outputs, density=1.0):
    draw = np.random.default_rng(inputs)
    kernel = draw.normal(size=(inputs, outputs)) * (draw.random((inputs, outputs)) < density)
    bias = draw.normal(size=outputs).astype(np.float32)
    return Dense(Weights(kernel.astype(np.float32)), bias)


def scales(shape):
    return np.linspace(0.5, 2, np.prod(shape), dtype=np.float32).reshape(shape)


FLAT = LayerNorm(scales(24), -scales(24), 1e-5)
RESCALE = Rescale((np.arange(24) % 5 - 2).astype(np.int8))
FLATTENED = {
    "an image, rescaled": ((2, 3, 4), (Flatten(), RESCALE)),
    "an image, twice": ((2, 3, 4), (Flatten(), Flatten())),
    "an image, twice, then normalized": ((2, 3, 4), (Flatten(), Tanh(), Flatten(), FLAT)),
    "a matrix": ((4, 6), (Flatten(),)),
    "a matrix, then normalized": ((4, 6), (Flatten(), FLAT)),
    "a matrix whose rows are normalized": (
        (4, 6), (LayerNorm(scales(6), -scales(6), 1e-5), Flatten(), RESCALE),
    ),
    "a vector within a residual sum": ((24,), (Residual((Flatten(),)), Tanh())),
    "a vector within another one": ((24,), (Tanh(), Residual((Residual((Flatten(),)), Tanh())))),
}  # fmt: skip


@pytest.mark.parametrize("target", [HOST, MICROCONTROLLER], ids=["host", "microcontroller"])
@pytest.mark.parametrize("name", FLATTENED)
def test_what_is_flattened_is_in_the_order_of_the_graph(tmp_path, name, target):
    shape, steps = FLATTENED[name]
    graph = Graph(Observation(shape), (*steps, a_layer(24, 3)), ArgMax())
    observations = synthetic.random_observations(graph, 20)
    expected = reference.outputs(graph, observations)
    found = outputs_of(graph, observations, tmp_path, target=target)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_more_inputs_of_one_length_than_two_bytes_count(tmp_path):
    inputs = (1 << 16) + 500
    kernel = np.zeros((inputs, 8), np.float32)
    kernel[np.arange(inputs), np.arange(inputs) * 7 % 8] = np.linspace(-1, 1, inputs) / 300
    layer = Dense(Weights(kernel), np.zeros(8, np.float32))
    graph = Graph(Observation((inputs,), "uint8", 255.0), (layer,), ArgMax())
    observations = np.random.default_rng(0).integers(0, 256, (2, inputs)).astype(np.uint8)
    observations[0, : 1 << 16] = 0  # only what is beyond is seen
    assert generate(graph).kernels == ("columns",)
    found = outputs_of(graph, observations, tmp_path)
    np.testing.assert_allclose(found, reference.outputs(graph, observations), rtol=0, atol=1e-3)


def whole(values, input_scale, scale=1.0):
    """A layer of int8 weights without biases."""
    kernel = np.array(values, np.int8)
    weights = Weights(kernel, np.array([scale], np.float32))
    return Dense(weights, np.zeros(kernel.shape[1], np.float32), StaticScale(input_scale))


def test_sums_that_are_too_large_to_be_rounded_are_clipped_before(tmp_path):
    # 4,000 products of 127 * 127 are 64.5 million; a quarter of it is more than 2^22.
    inputs = 4000
    first = whole(np.stack([np.full(inputs, -127), np.full(inputs, 127)], 1), 1.0)
    graph = Graph(Observation((inputs,)), (first, whole([[1, 2], [3, 1]], 4.0)), ArgMax())
    assert integer_chain.units(graph) is not None
    seen = np.full((3, inputs), 127, np.float32)
    seen[1], seen[2, 100:] = -127, 0
    found = outputs_of(graph, seen, tmp_path)
    np.testing.assert_array_equal(found, reference.outputs(graph, seen))


@pytest.mark.parametrize("scale", [1e-40, 2.0**-128, 2.0**-130])
def test_a_fixed_scale_whose_inverse_overflows_is_that_of_the_graph(tmp_path, scale):
    graph = Graph(Observation((3,)), (whole([[1, 2], [3, -4], [5, 6]], scale),), ArgMax())
    seen = synthetic.random_observations(graph, 9) * np.float32(100)
    found = outputs_of(graph, seen, tmp_path)
    np.testing.assert_array_equal(found, reference.outputs(graph, seen))


def test_two_halves_of_a_word_are_multiplied_on_little_endian_machines_alone():
    graph = synthetic.mlp_actor((70, 80, 2), 0.0, "int8")
    code = generate(graph, MICROCONTROLLER).files["srl_actor.c"]
    asked = [line for line in code.splitlines() if "SIMD32" in line]
    assert len(asked) == 2
    assert set(asked) == {"#if defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_BIG_ENDIAN)"}


@pytest.mark.parametrize("target", EVERY_KERNEL)
@pytest.mark.parametrize("quantization", ["float32", "int8w", "int8", "static"])
def test_a_layer_without_a_weight_is_its_bias_and_compiles_without_a_warning(
    tmp_path, target, quantization
):
    graph = synthetic.mlp_actor(
        (5, 4, 4, 2), 0.0, "int8" if quantization == "static" else quantization
    )
    observations = synthetic.random_observations(graph, 3)
    if quantization == "static":
        graph = synthetic.with_static_scales(graph, observations)
    first, *others = layers(graph.operations)
    empty = [
        replace(layer, weights=replace(layer.weights, values=0 * layer.weights.values))
        for layer in others
    ]
    graph = replace(graph, operations=with_layers(graph.operations, iter([first, *empty])))
    expected = reference.outputs(graph, observations)
    found = outputs_of(graph, observations, tmp_path, target=EVERY_KERNEL[target])
    np.testing.assert_array_equal(found, expected)
    for compiler in COMPILERS:
        command = [compiler, *STRICT, "-c", "-o", tmp_path / "out.o", tmp_path / "srl_actor.c"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
