"""Small random actors of every architecture, shared by the tests of delivery."""

from functools import partial

import pytest

from benchmarks import synthetic

ARCHITECTURES = {
    "mlp": partial(synthetic.mlp_actor, (11, 40, 32, 3)),
    "minatar": synthetic.minatar_q_network,
    "nature": partial(synthetic.nature_q_network, 36),
    "impala": partial(synthetic.impala_q_network, 30, (4, 8, 8), 16),
}


@pytest.fixture(params=ARCHITECTURES)
def architecture(request):
    """A function of sparsity, quantization and seed that gives a graph."""
    return ARCHITECTURES[request.param]
