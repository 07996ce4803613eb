"""The policies of tests/importers/data, and the actions that their own libraries gave for them."""

from pathlib import Path

import numpy as np

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact import reference

DATA = Path(__file__).parent / "data"


def stored(name):
    """(observations, actions) that the library itself gave."""
    with np.load(DATA / f"{name}.npz") as file:
        return file["observations"], file["actions"]


def check_actions(graph, observations, expected):
    """Actions within 1e-5 of their range; discrete ones are equal unless the best are that near."""
    found = reference.act(graph, observations)
    if isinstance(graph.output, ArgMax):
        values = np.sort(reference.outputs(graph, observations), axis=1)
        clear = values[:, -1] - values[:, -2] > 1e-5
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(found[clear], expected[clear])
        assert len(np.unique(expected)) > 1
        return
    width = np.asarray(graph.output.high) - np.asarray(graph.output.low)
    assert np.max(np.abs(found - expected) / width) < 1e-5
    assert np.all(expected.std(axis=0) > 0.01 * width)
