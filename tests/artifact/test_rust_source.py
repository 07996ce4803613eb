"""Generated Rust: the same bits as C for a microcontroller, and nothing that an actor cannot use.

All crates are built at once, as members of one workspace and in Cargo's debug profile, in which an
overflow of an integer ends the program.
"""

import ctypes
import os
import subprocess

import numpy as np
import pytest

from benchmarks.synthetic import minatar_q_network, mlp_actor, random_observations
from sparse_rl.architecture.operations import ArgMax, Observation
from sparse_rl.artifact import delivery, reference, source_files
from sparse_rl.artifact.c_source import MICROCONTROLLER, generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import compile_shared, find_compiler
from sparse_rl.artifact.delivery import prepare, write
from sparse_rl.artifact.formats import CProgram
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.packed import Provenance
from sparse_rl.artifact.rust_source import running
from tests.artifact.rust_programs import (
    OVERFLOWING,
    PIXELS,
    PROGRAMS,
    TANH,
    bound,
    built,
    observations_of,
)

CARGO = running.find_cargo()
needs_rust = pytest.mark.skipif(CARGO is None, reason="no Rust compiler (rustc and cargo) found")
ABOUT = Provenance("mujoco/Walker2d-v4", "0.9", 3, "", 1234.5)
RUNNER = """
use std::io::BufRead;

MACRO

fn main() {
    let name = std::env::args().nth(1).unwrap();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        match name.as_str() {
ARMS
            _ => panic!(),
        }
    }
}
"""
MACRO = """
macro_rules! show {
    ($actor:ident, $words:expr) => {{
        let mut observation = [Default::default(); $actor::OBSERVATION_SIZE];
        for (to, word) in observation.iter_mut().zip(&$words) {
            *to = word.parse().unwrap();
        }
        assert_eq!($actor::act(&observation).is_some(), $actor::outputs(&observation).is_some());
        match $actor::outputs(&observation) {
            Some(outputs) => println!("{}", outputs.map(|x| x.to_bits().to_string()).join(" ")),
            None => println!("refused"),
        }
    }};
}
"""


def cargo(folder, *words, text=None):
    """Runs Cargo with one process at a time; warnings are errors."""
    environment = {**os.environ, "RUSTFLAGS": "-D warnings", "CARGO_BUILD_JOBS": "1"}
    command = [CARGO, *words, "--quiet", "--offline"]
    return subprocess.run(
        command, cwd=folder, env=environment, input=text, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def outputs_in_rust(tmp_path_factory):
    """A function: the outputs of a program by name, a row of NaN where Rust refuses."""
    folder = tmp_path_factory.mktemp("workspace")
    every = {**PROGRAMS, **OVERFLOWING, "tanh_alone": TANH}
    for name, program in every.items():
        files = source_files.with_prefix(built(program), name)
        source_files.write(files, folder / name)
    members = "\n".join(f'{name}_actor = {{ path = "{name}" }}' for name in every)
    (folder / "Cargo.toml").write_text(
        '[package]\nname = "every"\nversion = "0.1.0"\nedition = "2021"\n'
        f"[dependencies]\n{members}\n[workspace]\n"
    )
    arms = "\n".join(f'            "{name}" => show!({name}_actor, words),' for name in every)
    (folder / "src").mkdir()
    (folder / "src" / "main.rs").write_text(RUNNER.replace("MACRO", MACRO).replace("ARMS", arms))
    done = cargo(folder, "build")
    assert done.returncode == 0, done.stderr

    def outputs(name, seen):
        flat = seen.reshape(len(seen), -1)
        text = "\n".join(" ".join(map(str, row.tolist())) for row in flat)
        program = [folder / "target" / "debug" / "every", name]
        done = subprocess.run(program, input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (width,) = every[name].output_shape
        missing = [np.float32(np.nan).view(np.uint32)] * width
        rows = [line.split() for line in done.stdout.splitlines()]
        bits = [missing if row == ["refused"] else list(map(int, row)) for row in rows]
        return np.array(bits, np.uint32).view(np.float32)

    return outputs


def outputs_in_c(program, seen, folder):
    """The same by C for a microcontroller."""
    generate(program, MICROCONTROLLER).write(folder)
    function = ctypes.CDLL(str(compile_shared(folder, folder / "actor.so"))).srl_outputs
    found = np.full((len(seen), *program.output_shape), np.nan, np.float32)
    for row, result in zip(np.ascontiguousarray(seen), found, strict=True):
        function(ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(result.ctypes.data))
    # C leaves what it has computed where an output is not finite.
    found[~np.isfinite(found).all(axis=1)] = np.nan
    return found


@needs_rust
@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
@pytest.mark.parametrize("name", PROGRAMS)
def test_outputs_are_those_of_c_to_the_bit(outputs_in_rust, tmp_path, name):
    program = PROGRAMS[name]
    seen = observations_of(program)
    found, expected = outputs_in_rust(name, seen), outputs_in_c(program, seen, tmp_path)
    if seen.dtype == np.float32:
        assert np.isnan(found[5:7]).all() and np.isfinite(found[7:]).all()
    if name == "tanh":  # a C library has a tanh of its own
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    elif name == "tanh_integer":  # which very rarely moves an input of the next layer by a step
        off = np.abs(np.nan_to_num(found) - np.nan_to_num(expected)).max(axis=1)
        assert np.mean(off > 1e-6) < 0.1
    else:
        np.testing.assert_array_equal(found, expected)


@needs_rust
@pytest.mark.parametrize("name", PROGRAMS)
def test_outputs_are_those_of_numpy(outputs_in_rust, name):
    program = PROGRAMS[name]
    seen = observations_of(program)[7:]
    off = np.abs(outputs_in_rust(name, seen) - reference.outputs(program, seen)).max(axis=1)
    # Where NumPy sums floats in another order, an input of a next layer may move by a step.
    assert np.mean(off > 1e-5) < (0.1 if "normalized" in name or "tanh" in name else 1e-9)


@needs_rust
@pytest.mark.parametrize("name", OVERFLOWING)
def test_sums_that_overflow_against_each_other_are_refused(outputs_in_rust, name):
    program = OVERFLOWING[name]
    seen = np.array([[1, 2], [2e38, 0], [-3e38, -3e38], [3e38, 3e38]], np.float32)
    found = outputs_in_rust(name, seen)
    np.testing.assert_array_equal(found[0], reference.outputs(program, seen[:1])[0])
    assert np.isnan(found[1:]).all()


@needs_rust
def test_tanh_is_within_one_and_a_half_units_in_the_last_place(outputs_in_rust):
    magnitudes = np.geomspace(1e-6, 20, 40_000).astype(np.float32)
    special = np.array([0, 1e-45, 0.625, 9.1, 88, 3e38, np.pi, 1], np.float32)
    seen = np.concatenate([special, magnitudes * np.resize([1, -1], magnitudes.size)])
    seen = seen.astype(np.float32).reshape(-1, 8)
    found = outputs_in_rust("tanh_alone", seen)
    exact = np.tanh(seen.astype(np.float64))
    off = np.abs(found - exact)
    assert off.max() < 1e-7
    assert (off / np.spacing(np.abs(exact).astype(np.float32))).max() < 1.5


@needs_rust
@pytest.mark.parametrize(
    ("program", "other"),
    [
        (mlp_actor((5, 8, 2), 0.5, "float32"), mlp_actor((5, 8, 2), 0.5, "float32", seed=1)),
        (bound(PIXELS, "integer"), bound(PIXELS, "integer", 0.3)),
    ],
    ids=["floats", "pixels"],
)
def test_known_answers_are_asked_for_and_wrong_weights_are_noticed(tmp_path, program, other):
    files = built(program)
    source_files.write(files, tmp_path)
    done = cargo(tmp_path, "test")
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "src" / "network.rs").write_text(built(other)["src/network.rs"])
    done = cargo(tmp_path, "test")
    assert done.returncode != 0 and "failures:\n    known_answers_are_given\n" in done.stdout


@needs_rust
@pytest.mark.parametrize(("kind", "largest"), [("bool", 1), ("uint8", 255), ("float32", 3e38)])
def test_the_example_reads_what_the_actor_reads(tmp_path, kind, largest):
    operations = mlp_actor((4, 3, 2), 0.0, "float32").operations
    program = Graph(Observation((4,), kind), operations, ArgMax())
    source_files.write(built(program), tmp_path)

    def run(text):
        done = cargo(tmp_path, "run", "--example", "act", text=text)
        return done.returncode, len(done.stdout.splitlines()), done.stderr.strip()

    assert run("0 0 1 0\n") == (0, 1, "")
    assert run("0 0 1 0 1") == (1, 1, "the last observation is incomplete: 1 of 4 numbers")
    if kind == "float32":
        assert run("0 1 x 1") == (1, 0, "number 3: not a number")
        said = "observation: a number is not finite, or too large to act on"
        assert run("0 1e39 0 1") == (1, 0, said)
        return
    assert run(f"0 0 0 {largest}") == (0, 1, "")
    for beyond in (largest + 1, -1, 0.5, 1 << 32):
        said = f"number 2: found {beyond}; allowed: whole numbers from 0 to {largest}"
        assert run(f"0 {beyond} 0 0") == (1, 0, said)


def test_a_crate_needs_neither_std_nor_unsafe_code_nor_another_crate():
    files = built(PROGRAMS["float32"], 'a "title" \\ */')
    assert "#![no_std]\n#![forbid(unsafe_code)]" in files["src/lib.rs"]
    assert files["Cargo.toml"].endswith("[dependencies]\n")
    library = [text for name, text in files.items() if name.startswith("src/")]
    assert not any("std::" in text or "extern" in text for text in library)


@needs_rust
def test_delivered_rust_acts_as_the_graph(tmp_path):
    program = mlp_actor((11, 40, 32, 3), 0.9, "int8")
    made = prepare(program, ABOUT, random_observations(program, 50))
    written = write(made, "rust", tmp_path, CProgram(prefix="walker"))
    assert written.difference is not None and written.difference <= 1e-6
    assert written.path == tmp_path / "rust" and written.size > 1000
    assert 'name = "walker_actor"' in (written.path / "Cargo.toml").read_text()
    assert "Return 1234.5 when trained." in (written.path / "src" / "lib.rs").read_text()


def test_convolutions_are_refused_in_one_line(tmp_path):
    program = compact(minatar_q_network(0.9, "float32"))
    made = prepare(program, ABOUT, random_observations(program, 10))
    message = (
        r"^--format: found rust, and Rust has no convolution; allowed: dense layers, ReLU, tanh, "
        r"and normalization$"
    )
    with pytest.raises(ValueError, match=message):
        write(made, "rust", tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_a_compiler_it_is_written_and_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(delivery.running, "find_cargo", lambda: None)
    program = mlp_actor((5, 8, 2), 0.5, "float32")
    written = write(prepare(program, ABOUT, random_observations(program, 10)), "rust", tmp_path)
    assert written.difference is None and (tmp_path / "rust" / "src" / "network.rs").is_file()
