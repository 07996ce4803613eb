"""The cost report: figures that can be computed by hand, and a shape that can be read back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact import cost
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.cost import energy, latency
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.packed import PackedActor, to_bytes


def test_energy_of_the_dense_actor_by_hand():
    # 71,424 products of 3.7 + 0.9 pJ, and 293,936 bytes of 100 pJ per 8 bytes from a 1 MB memory
    found = energy.estimate(71_424, 293_936, integer=False)
    assert found.arithmetic == pytest.approx(328.55, abs=0.01)
    assert found.memory == pytest.approx(3674.2, abs=0.01)
    assert found.memory_name == "1 MB cache"
    assert energy.estimate(1000, 100, integer=True).arithmetic == pytest.approx(0.3)
    assert energy.estimate(1, 10**8, integer=True).memory_name == "DRAM"


def test_multiply_accumulates_count_positions():
    graph = synthetic.minatar_q_network(0.5, "int8w")
    convolution, hidden, head = layers(graph.operations)
    dense = 8 * 8 * (3 * 3 * 4 * 16) + 1024 * 128 + 128 * 6
    assert cost.multiply_accumulates(graph, surviving=False) == dense
    found = cost.multiply_accumulates(graph, surviving=True)
    kept = [layer.weights.nonzero for layer in (convolution, hidden, head)]
    assert found == 64 * kept[0] + kept[1] + kept[2]


def test_the_dense_counterpart_has_no_zeros_and_no_quantization():
    graph = synthetic.impala_q_network(30, (2, 3, 3), 4, 0.9, "int8")
    for layer, dense in zip(
        layers(graph.operations), layers(cost.dense_counterpart(graph).operations), strict=True
    ):
        assert dense.weights.values.shape == layer.weights.values.shape
        assert dense.weights.nonzero == dense.weights.values.size
        assert dense.input_scale is None and dense.weights.scale is None


def test_latency_statistics():
    found = latency.of_samples(np.arange(1, 1001) * 1000)
    assert (found.median, found.calls) == (500.5, 1000)
    assert found.p99 == pytest.approx(990.01)


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_a_report_of_a_small_actor():
    graph = synthetic.mlp_actor((5, 30, 20, 2), 0.9, "int8")
    delivered = PackedActor(compact(graph))
    observations = synthetic.random_observations(graph, 50)
    report = cost.measure(graph, delivered, observations, 4000, onnx_bytes=1234)
    assert report.bytes["packed"] == len(to_bytes(delivered))
    assert report.bytes["onnx"] == 1234
    assert report.packed_ratio == pytest.approx(4000 / report.bytes["packed"])
    assert report.theoretical_ratio == pytest.approx(4 / (1 - report.sparsity))
    zeros = sum((layer.weights.values == 0).sum() for layer in layers(graph.operations))
    assert report.sparsity == pytest.approx(zeros / (5 * 30 + 30 * 20 + 20 * 2))
    for name in ("c", "c_dense_float32"):
        found = report.latency[name]
        assert found is not None and 0 < found.median <= found.p99
    assert json.loads(report.to_json())["multiply_accumulates"]["dense"] == 790
    text = cost.describe(report)
    assert "Horowitz" in text and "theoretical" in text


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
def test_what_could_not_be_measured_is_said_once():
    graph = synthetic.mlp_actor((5, 30, 20, 2), 0.9, "int8")
    report = replace(
        cost.measure(
            graph, PackedActor(compact(graph)), synthetic.random_observations(graph, 50), 1
        ),
        instructions={"c_dense_float32": None, "c": None},
        instruction_method=cost.NOT_AVAILABLE,
        energy_measured={"c_dense_float32": cost.NOT_AVAILABLE, "c": cost.NOT_AVAILABLE},
    )
    lines = cost.describe(report).splitlines()
    assert "instructions per action (not available)" in lines
    assert lines[-1] == "energy, nanojoules per action, measured (RAPL): not available"
    half = replace(report, energy_measured={"c_dense_float32": cost.NOT_AVAILABLE, "c": 7.53})
    texts = [line.split() for line in cost.describe(half).splitlines()[-2:]]
    assert texts == [["c_dense_float32", "not", "available"], ["c", "7.5"]]
