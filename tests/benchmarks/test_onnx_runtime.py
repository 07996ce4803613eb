"""ONNX Runtime called from C gives the actions of the graph."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from benchmarks import onnx_runtime, synthetic
from sparse_rl.artifact import reference
from sparse_rl.artifact.compiler import find_compiler
from sparse_rl.artifact.onnx.model import to_onnx


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
@pytest.mark.skipif(onnx_runtime.library() is None, reason="onnxruntime brings no library")
def test_the_caller_gets_the_action_of_its_observation() -> None:
    graph = synthetic.mlp_actor((17, 32, 6), 0.5, "float32")
    observations = synthetic.random_observations(graph, 7)
    model = to_onnx(graph).SerializeToString()
    time, action = onnx_runtime.latency_from_c(model, observations, 20)
    np.testing.assert_allclose(action, reference.act(graph, observations)[0], atol=1e-5)
    assert time.calls == 20 and 0 < time.median <= time.p99


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler found")
@pytest.mark.skipif(onnx_runtime.library() is None, reason="onnxruntime brings no library")
def test_what_the_library_refuses_is_said() -> None:
    observations = np.zeros((1, 3), np.float32)
    with pytest.raises(ValueError, match=r"ONNX Runtime from C: .*rotobuf"):
        onnx_runtime.latency_from_c(b"no model", observations, 1)
