"""Large actors keep their arrays where the caller says, and compute the same bits there."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest

from benchmarks.synthetic import (
    minatar_q_network,
    mlp_actor,
    nature_q_network,
    random_observations,
    with_static_scales,
)
from sparse_rl.artifact import reference
from sparse_rl.artifact.c_source import HOST, MICROCONTROLLER, generate

GCC, GXX = (shutil.which(name) for name in ("gcc", "g++"))
pytestmark = pytest.mark.skipif(GCC is None, reason="gcc not found")
STRICT = ["-Wall", "-Wextra", "-Wshadow", "-pedantic", "-Werror", "-ffp-contract=off"]
STRICT_C = ["-std=c99", *STRICT]
NOTHING = 10**9
GUARD = 64


def library_of(source, folder):
    folder.mkdir()
    source.write(folder)
    command = [GCC, *STRICT_C, "-O1", "-shared", "-fPIC", "-o", "actor.so", "srl_actor.c", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "actor.so"))


def scratch_bytes(source) -> int:
    found = re.search(r"#define SRL_SCRATCH_BYTES (\d+)", source.files["srl_actor.h"])
    assert found is not None
    return int(found[1])


def address(array):
    return ctypes.c_void_p(array.ctypes.data)


@pytest.mark.parametrize(
    ("quantization", "target"),
    [("float32", HOST), ("int8", HOST), ("integer", MICROCONTROLLER), ("static", MICROCONTROLLER)],
    ids=["float32", "int8", "integer", "static"],
)
def test_the_same_bits_wherever_the_arrays_are(tmp_path, architecture, quantization, target):
    graph = architecture(0.8, "int8" if quantization == "static" else quantization)
    seen = random_observations(graph, 3)
    if quantization == "static":
        graph = with_static_scales(graph, seen)
    on_stack = library_of(generate(graph, target, scratch_limit=NOTHING), tmp_path / "stack")
    source = generate(graph, target, scratch_limit=0)
    elsewhere = library_of(source, tmp_path / "scratch")
    size = scratch_bytes(source)
    action = np.zeros(graph.output_shape, np.float32)
    for row in np.ascontiguousarray(seen, np.float32 if seen.dtype == np.float32 else np.uint8):
        expected, found = (np.zeros(graph.output_shape, np.float32) for _ in range(2))
        assert on_stack.srl_outputs(address(row), address(expected)) == 0
        assert elsewhere.srl_outputs(address(row), address(found)) == 0
        np.testing.assert_array_equal(found, expected)
        # What is in the buffer means nothing, and nothing behind it is touched.
        buffer = np.full(size + GUARD, 0xFF, np.uint8)
        known, action = (np.zeros(graph.output_shape, np.float32) for _ in range(2))
        assert on_stack.srl_act(address(row), address(known)) == 0
        assert elsewhere.srl_act_in(address(buffer), address(row), address(action)) == 0
        np.testing.assert_array_equal(action.view(np.uint32), known.view(np.uint32))
        assert (buffer[size:] == 0xFF).all() and (buffer[:size] != 0xFF).any()
        buffer[:] = 0xFF
        assert elsewhere.srl_outputs_in(address(buffer), address(row), address(found)) == 0
        np.testing.assert_array_equal(found, expected)
        assert (buffer[size:] == 0xFF).all()


def test_only_large_actors_have_a_scratch_buffer():
    for small in (mlp_actor((17, 256, 256, 6), 0.9, "int8"), minatar_q_network()):
        assert not any("srl_scratch" in text for text in generate(small).files.values()
                       if "#ifdef SRL_SCRATCH_BYTES" not in text)  # fmt: skip
    source = generate(nature_q_network(84, 0.98, "float32"))
    assert source.stack_bytes > 16_384
    assert abs(scratch_bytes(source) - source.stack_bytes) <= 16


@pytest.mark.parametrize("target", [HOST, MICROCONTROLLER], ids=lambda target: target.name)
@pytest.mark.parametrize("quantization", ["float32", "int8", "integer"])
def test_every_array_of_the_buffer_has_the_type_as_which_it_is_read(tmp_path, quantization, target):
    """GCC sees where one object is read as another; it sees no further with more optimization."""
    generate(nature_q_network(36, 0.9, quantization), target).write(tmp_path)
    command = [GCC, *STRICT_C, "-O2", "-Wstrict-aliasing=1", "-c", "srl_actor.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "unsigned char bytes" not in (tmp_path / "srl_actor.h").read_text()


THREAD = """
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include "srl_actor.h"

static srl_scratch scratch;
static srl_observation observations[2 * SRL_OBSERVATION_SIZE];
static int action = -1, actions[2] = {-1, -1}, refused = -1;
static float outputs[SRL_OUTPUT_SIZE];

static void *run(void *unused)
{
    (void)unused;
    refused = srl_act_in(&scratch, observations, &action);
    refused += srl_act_batch_in(&scratch, observations, actions, 2) - 2;
    refused += srl_outputs_in(&scratch, observations, outputs);
    refused += srl_selftest_in(&scratch);
    return NULL;
}

int main(void)
{
    pthread_attr_t small;
    pthread_t thread;
    int i, known = -2;
    for (i = 0; i < 2 * SRL_OBSERVATION_SIZE; i++)
        observations[i] = (srl_observation)(i * 31 % 256);
    if (pthread_attr_init(&small) || pthread_attr_setstacksize(&small, 65536)) return 2;
    if (pthread_create(&thread, &small, run, NULL) || pthread_join(thread, NULL)) return 3;
    if (srl_act(observations, &known) || srl_selftest()) return 4;
    printf("%d %d %d %d %d", refused, action, known, actions[0], actions[1]);
    for (i = 0; i < SRL_OUTPUT_SIZE; i++) printf(" %.9g", outputs[i]);
    return 0;
}
"""


def test_a_thread_with_little_stack_acts_on_images(tmp_path):
    """64 KiB of stack, of which a network of 280 KB of arrays takes less than two."""
    graph = nature_q_network(84, 0.98, "float32")
    pixels = np.arange(2 * 84 * 84 * 4) * 31 % 256
    seen = pixels.reshape(2, 84, 84, 4).astype(np.uint8)
    known = reference.act(graph, seen)
    generate(graph, known=(seen, known)).write(tmp_path)
    (tmp_path / "program.c").write_text(THREAD)
    strict = ["-D_POSIX_C_SOURCE=200809L", "-O1", "-fstack-usage", "-pthread", *STRICT_C]
    files = ["program.c", "srl_actor.c", "srl_selftest.c"]
    subprocess.run([GCC, *strict, "-o", "program", *files, "-lm"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    words = done.stdout.split()
    assert done.returncode == 0
    assert words[:5] == ["0", *(str(action) for action in (known[0], known[0], *known))]
    expected = reference.outputs(graph, seen[:1])[0]
    np.testing.assert_allclose(np.array(words[5:], float), expected, rtol=0, atol=1e-5)
    sizes = {}
    for name in ("srl_actor", "srl_selftest"):
        (usage,) = tmp_path.glob(f"*{name}.su")
        for line in usage.read_text().splitlines():
            where, size, _ = line.split("\t")
            sizes[where.rpartition(":")[2]] = int(size)
    on_stack = ("srl_act", "srl_act_batch", "srl_outputs", "srl_selftest")
    assert all(sizes.pop(name) > 65_536 for name in on_stack)
    assert sum(sizes.values()) < 2048


@pytest.mark.skipif(GXX is None, reason="g++ not found")
def test_cpp_takes_a_scratch_buffer(tmp_path):
    graph = nature_q_network(36, 0.9, "float32")
    seen = random_observations(graph, 2)
    generate(graph, known=(seen, reference.act(graph, seen))).write(tmp_path)
    (tmp_path / "robot.cpp").write_text("""
        #include "srl_actor.hpp"
        using namespace srl_actor;
        static srl_scratch scratch;
        static srl_actor::Observation observation;
        static_assert(noexcept(srl_actor::act(observation, scratch)));
        int main()
        {
            if (!selftest() || !selftest(scratch)) return 2;
            if (outputs(observation, scratch) != outputs(observation)) return 3;
            return act(observation, scratch) != act(observation);
        }
    """)
    compiled = [GCC, *STRICT_C, "-O1", "-c", "srl_actor.c", "srl_selftest.c"]
    subprocess.run(compiled, cwd=tmp_path, check=True)
    objects = ["srl_actor.o", "srl_selftest.o"]
    command = [GXX, "-std=c++17", *STRICT, "-o", "robot", "robot.cpp", *objects, "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "robot"], check=True)
