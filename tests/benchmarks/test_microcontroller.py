"""The C artifact on an emulated Cortex-M4F."""

import numpy as np
import pytest

from benchmarks import microcontroller, synthetic
from sparse_rl.artifact import reference
from sparse_rl.artifact.binding import bind

missing = microcontroller.missing_tools()
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.mark.parametrize("path", ["float32", "int8w", "int8", "static", "integer"])
def test_actions_are_the_same_as_here(path):
    graph = synthetic.mlp_actor((17, 64, 64, 6), 0.9, "int8" if path == "static" else path)
    observations = synthetic.random_observations(graph, 10)
    if path == "static":
        graph = synthetic.with_static_scales(graph, observations)
    expected = reference.act(graph, observations)
    report = microcontroller.run(graph, observations)
    np.testing.assert_allclose(report.actions, expected, rtol=0, atol=1e-6)
    surviving = sum(
        layer.weights.nonzero for layer in graph.operations if hasattr(layer, "weights")
    )
    # At least an instruction per product and at most some twenty, activations included.
    assert surviving < report.instructions < 40 * surviving + 20_000
    assert report.ram_static == 0
    width = 1 if path == "integer" else 4  # bytes of what lies between layers
    assert width * (64 + 64) < report.ram_stack < 4096
    assert report.flash_actor < report.flash_total < report.flash_actor + 4096


@pytest.mark.parametrize("path", ["int8", "integer"])
def test_dense_layers_multiply_two_halves_of_a_word_at_once(path):
    graph = synthetic.mlp_actor((17, 61, 66, 5), 0.0, path)  # neither fours nor twos
    observations = synthetic.random_observations(graph, 10)
    report = microcontroller.run(graph, observations)
    np.testing.assert_allclose(
        report.actions, reference.act(graph, observations), rtol=0, atol=1e-6
    )
    products = 17 * 61 + 61 * 66 + 66 * 5
    # Measured: 3.5 and 2.9 instructions for each, all included; one product at a time 7.2 and 6.7.
    assert report.instructions < 5 * products


def test_a_convolutional_q_network_chooses_the_same_actions():
    graph = synthetic.minatar_q_network(0.9, "int8")
    observations = synthetic.random_observations(graph, 3)
    report = microcontroller.run(graph, observations)
    np.testing.assert_array_equal(report.actions, reference.act(graph, observations))


def test_fewer_weights_take_less_flash_and_fewer_instructions():
    reports = []
    for sparsity in (0.0, 0.9, 0.98):
        graph = synthetic.mlp_actor((17, 64, 64, 6), sparsity, "int8w")
        reports.append(microcontroller.run(graph, synthetic.random_observations(graph, 5)))
    flash = [report.flash_actor for report in reports]
    instructions = [report.instructions for report in reports]
    assert flash[0] > 2 * flash[1] > 2 * flash[2]
    assert instructions[0] > 3 * instructions[1] > 3 * instructions[2]


def test_every_operation_runs_there():
    from tests.artifact.test_operations import NETWORKS, arrays_of, observations_of

    for name in ("tanh", "layer norm", "image"):
        graph = bind(NETWORKS[name], arrays_of(NETWORKS[name]), "float32")
        observations = observations_of(graph, 6)
        found = microcontroller.run(graph, observations).actions
        np.testing.assert_allclose(found, reference.act(graph, observations), rtol=0, atol=1e-5)
