"""docs/packed_format.md against the files: a reader written from the page reads what ours reads."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import packed_originals, synthetic
from sparse_rl.artifact import reference
from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import LayerNorm, Normalize, Rescale, Residual, layers
from sparse_rl.artifact.packed import PackedActor, Provenance, from_bytes, to_bytes
from sparse_rl.artifact.packed import limits as format_limits
from sparse_rl.artifact.packed.description import DICTIONARY
from tests.artifact import independent_actor, independent_reader

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "packed_format.md").read_text()
EXAMPLE = "results/pendulum/policies/0.99-integer.srl"
FILES = sorted({*ROOT.glob("results/**/policies/*.srl"), *ROOT.glob("results/**/actor.srl")})
KINDS = ("float32", "int8w", "int8", "integer")
MADE = {
    **{f"mlp {kind}": synthetic.mlp_actor((5, 16, 2), 0.7, kind) for kind in KINDS},
    **{f"minatar {kind}": synthetic.minatar_q_network(0.9, kind) for kind in KINDS},
    **{f"impala {kind}": synthetic.impala_q_network(30, (2, 3, 3), 4, 0.6, kind) for kind in KINDS},
    "everything": packed_originals.everything(),
}


def contents():
    assert len(FILES) > 10
    for path in FILES:
        yield pytest.param(path.read_bytes(), id=str(path.relative_to(ROOT)))
    for name, graph in MADE.items():
        about = Provenance("probe/x", "0.5", 3, "0123", -1.5)
        yield pytest.param(to_bytes(PackedActor(graph, about)), id=name)


def flat(steps):
    for step in steps:
        yield step
        yield from flat(step.body)


def operations(graph):
    def walk(steps):
        for step in steps:
            yield step
            if isinstance(step, Residual):
                yield from walk(step.body)

    return list(walk(graph.operations))


@pytest.mark.parametrize("data", contents())
def test_arrays_and_facts_are_the_same(data):
    ours, theirs = from_bytes(data), independent_reader.read(data)
    about = ours.provenance
    assert theirs.version == data[3]
    assert theirs.about.get("environment", "") == about.environment
    assert theirs.about.get("arm", "") == about.variant
    assert theirs.about.get("seed") == about.seed
    assert theirs.about.get("measured_return") == about.measured_return
    found = [step for step in flat(theirs.steps) if "values" in step.numbers]
    expected = list(layers(ours.graph.operations))
    assert len(found) == len(expected)
    for step, layer in zip(found, expected, strict=True):
        np.testing.assert_array_equal(step.numbers["values"], layer.weights.values)
        np.testing.assert_array_equal(step.numbers["values"] != 0, layer.weights.values != 0)
        np.testing.assert_array_equal(step.numbers["bias"], layer.bias)
        if layer.weights.scale is not None:
            np.testing.assert_array_equal(step.numbers["scale"], layer.weights.scale)
    for step, operation in zip(flat(theirs.steps), operations(ours.graph), strict=True):
        for name in ("mean", "variance", "scale", "bias", "exponents"):
            if isinstance(operation, LayerNorm | Normalize | Rescale) and name in step.numbers:
                np.testing.assert_array_equal(step.numbers[name], getattr(operation, name))


@pytest.mark.parametrize("data", contents())
def test_actions_are_the_same(data):
    """Of integers to the bit before tanh; elsewhere to 1e-5, and an argmax where it is clear."""
    graph, theirs = from_bytes(data).graph, independent_reader.read(data)
    observations = synthetic.random_observations(graph, 5)
    expected = reference.outputs(graph, observations)
    found = np.array([independent_actor.outputs(theirs, one) for one in observations])
    exact = all(unit_of(layer) is not None for layer in layers(graph.operations))
    if exact:
        np.testing.assert_array_equal(found, expected)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale)
    acts = [independent_actor.action(theirs, y) for y in expected]
    np.testing.assert_allclose(acts, reference.action_of(graph, expected), rtol=0, atol=1e-5)


def test_every_version_and_source_is_among_them():
    read = [independent_reader.read(p.values[0]) for p in contents()]  # type: ignore[arg-type]
    assert {file.version for file in read} == {1, 2, 3}
    sources = {step.numbers.get("source") for file in read for step in flat(file.steps)}
    assert {"float", "dynamic", "shift"} <= sources


def test_the_dictionary_is_the_published_one():
    published = independent_reader.DICTIONARY.read_bytes()
    assert published == DICTIONARY
    assert hashlib.sha256(published).hexdigest() in PAGE
    assert f"{len(published)} bytes" in PAGE


def test_the_worked_example_is_the_file():
    data = (ROOT / EXAMPLE).read_bytes()
    file = independent_reader.read(data)
    lines = []
    for first, end, what in file.parts:
        shown = (
            data[first:end].hex() if end - first <= 12 else f"{data[first : first + 4].hex()}..."
        )
        place = str(first) if end - first == 1 else f"{first}-{end - 1}"
        lines.append(f"| {place} | `{shown}` | {what} |")
    assert "\n".join(lines) in PAGE, "\n".join(lines)
    assert EXAMPLE in PAGE and f"{len(data)} bytes" in PAGE


def test_the_limits_on_the_page_are_those_of_the_code():
    for name, value in (
        ("LONGEST_DESCRIPTION", format_limits.LONGEST_DESCRIPTION),
        ("MOST_OPERATIONS", format_limits.MOST_OPERATIONS),
        ("DEEPEST", format_limits.DEEPEST),
        ("LARGEST_TENSOR", format_limits.LARGEST_TENSOR),
        ("MOST_PRODUCTS", format_limits.MOST_PRODUCTS),
        ("LONGEST_NAME", format_limits.LONGEST_NAME),
    ):
        row = re.search(rf"\| ([\d,]+) \|[^\n]*<!-- {name} -->", PAGE)
        assert row is not None and int(row[1].replace(",", "")) == value, name
