"""The files of a Rust crate of one actor: no_std, no unsafe code, no dependency."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparse_rl.architecture.operations import ArgMax, Squash
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.known_answers import KnownAnswers, known_answers
from sparse_rl.artifact.rust_source.constants import array, numbers, real
from sparse_rl.artifact.rust_source.network import network
from sparse_rl.artifact.source_files import version

_HERE = Path(__file__).parent
RUST_VERSION = "1.63"
"""The oldest that the crate compiles with: Debian 12's."""


def crate(
    graph: Graph,
    title: str,
    notes: Sequence[str],
    known: tuple[NDArray, NDArray],
) -> dict[str, str]:
    """Texts by path.

    `known` are observations and their actions, of which a self-test is made. Title and notes are
    single lines. Raises ValueError for a network with operations that Rust does not have.
    """
    answers = known_answers(graph, *known)
    return {
        "Cargo.toml": _manifest(title),
        "src/lib.rs": _library(graph, title, notes),
        "src/arithmetic.rs": _text("arithmetic.rs"),
        "src/network.rs": network(graph),
        "src/known_answers.rs": _known_answers(graph, answers),
        "tests/known_answers.rs": _text("known_answers.rs") + _refused(graph),
        "examples/act.rs": _text("act.rs") + _number(graph) + _shown(graph),
    }


def _text(name: str) -> str:
    return (_HERE / name).read_text()


def _manifest(title: str) -> str:
    return f"""\
[package]
name = "srl_actor"
version = "{version()}"
edition = "2021"
rust-version = "{RUST_VERSION}"
description = {json.dumps(title)}
publish = false

[dependencies]
"""


def _library(graph: Graph, title: str, notes: Sequence[str]) -> str:
    said = "".join(f"//! {_as_documentation(line)}\n" for line in (title, *notes) if line)
    shape = " x ".join(map(str, graph.observation.shape))
    element = "f32" if graph.observation.dtype == "float32" else "u8"
    head = f"""\
//! A compressed actor. Generated; nothing is allocated, and there is no state.
//!
{said}#![no_std]
#![forbid(unsafe_code)]

mod arithmetic;
mod known_answers;
mod network;

pub use known_answers::selftest;
pub use network::outputs;

/// {shape}, last axis fastest.
pub const OBSERVATION_SIZE: usize = {math.prod(graph.observation.shape)};
pub const OUTPUT_SIZE: usize = {graph.output_shape[0]};
pub type Observation = [{element}; OBSERVATION_SIZE];
"""
    if isinstance(graph.output, ArgMax):
        return (
            head
            + """\
/// The index of the largest output.
pub type Action = usize;

/// The action; nothing where the observation holds a number that is not finite, or is too large.
pub fn act(observation: &Observation) -> Option<Action> {
    Some(arithmetic::largest_index(&outputs(observation)?))
}
"""
        )
    low = np.asarray(graph.output.low, np.float32)
    high = np.asarray(graph.output.high, np.float32)
    squash = isinstance(graph.output, Squash)
    bounded = "arithmetic::tanh(*value)" if squash else "value.clamp(-1.0, 1.0)"
    return f"""{head}\
/// In the environment's units.
pub type Action = [f32; OUTPUT_SIZE];

{array("ACTION_LOW", "f32", low)}{array("ACTION_RANGE", "f32", high - low)}
/// The action; nothing where the observation holds a number that is not finite, or is too large.
pub fn act(observation: &Observation) -> Option<Action> {{
    let mut action = outputs(observation)?;
    for ((value, low), range) in action.iter_mut().zip(ACTION_LOW).zip(ACTION_RANGE) {{
        *value = low + ({bounded} + 1.0) * 0.5 * range;
    }}
    Some(action)
}}
"""


def _as_documentation(line: str) -> str:
    """A line of text as Markdown that says it: no HTML, no link, and no block of code, which
    `cargo test` would run.
    """
    return re.sub(r"([\\`~<\[])", r"\\\1", line.strip())


def _known_answers(graph: Graph, known: KnownAnswers) -> str:
    floats = graph.observation.dtype == "float32"

    def rows(values: NDArray, floats: bool) -> str:
        each = values.reshape(known.number, -1)
        return "".join(f"    [\n{numbers(row, floats)}\n    ],\n" for row in each)

    if known.tolerances is None:
        answers = array("ANSWERS", "usize", known.actions)
        given = "action == *answer"
    else:
        width = len(known.tolerances)
        answers = f"static ANSWERS: [Action; {known.number}] = [\n{rows(known.actions, True)}];\n"
        within = ", ".join(map(real, known.tolerances))
        answers += f"static TOLERANCES: [f32; {width}] = [{within}];\n"
        given = (
            "action.iter().zip(answer).zip(TOLERANCES).all(|((action, answer), tolerance)| {\n"
            "            let off = action - answer;\n"
            "            off <= tolerance && off >= -tolerance\n"
            "        })"
        )
    return f"""\
//! Known answers of the actor: what calls `selftest` carries them along, and nothing else does.

use crate::{{act, Action, Observation}};

static OBSERVATIONS: [Observation; {known.number}] = [
{rows(known.observations, floats)}];
{answers}
fn given(action: Action, answer: &Action) -> bool {{
    {given}
}}

/// Whether all known answers are given on this machine; otherwise the index of the first that is
/// not.
pub fn selftest() -> Result<(), usize> {{
    for (k, (observation, answer)) in OBSERVATIONS.iter().zip(&ANSWERS).enumerate() {{
        match act(observation) {{
            Some(action) if given(action, answer) => {{}}
            _ => return Err(k),
        }}
    }}
    Ok(())
}}
"""


def _refused(graph: Graph) -> str:
    if graph.observation.dtype != "float32":
        return ""
    return """
#[test]
fn what_is_not_finite_is_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut observation = [0.0; srl_actor::OBSERVATION_SIZE];
        observation[srl_actor::OBSERVATION_SIZE - 1] = bad;
        assert!(srl_actor::act(&observation).is_none());
    }
}
"""


def _number(graph: Graph) -> str:
    """The function by which the example reads one number of an observation."""
    if graph.observation.dtype == "float32":
        return """\
fn number(word: &str) -> Result<f32, String> {
    word.parse().map_err(|_| "not a number".to_string())
}

"""
    largest = 255 if graph.observation.dtype == "uint8" else 1
    return f"""\
fn number(word: &str) -> Result<u8, String> {{
    match word.parse() {{
        Ok(number @ 0..={largest}) => Ok(number),
        _ => Err(format!("found {{word}}; allowed: whole numbers from 0 to {largest}")),
    }}
}}

"""


def _shown(graph: Graph) -> str:
    if isinstance(graph.output, ArgMax):
        return "fn shown(action: &srl_actor::Action) -> String {\n    action.to_string()\n}\n"
    return """\
fn shown(action: &srl_actor::Action) -> String {
    action.map(|value| value.to_string()).join(" ")
}
"""
