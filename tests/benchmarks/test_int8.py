"""Every arithmetic that training has is measured, the last one with its scales."""

import jax

from benchmarks import int8
from sparse_rl.architecture import policy_network
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.arithmetics import ARITHMETICS
from sparse_rl.dot_products import DotProducts
from sparse_rl.networks import GaussianActor


def small(dots: DotProducts) -> GaussianActor:
    return GaussianActor(policy_network(TorsoOptions("mlp", (8,)), int8.STATES), dots)


def test_a_row_for_every_arithmetic() -> None:
    rows = list(int8.rows_of("small", small, jax.numpy.ones((2, 8, 17)), repeats=1))
    assert [row["product"] for row in rows] == list(ARITHMETICS)
    assert all(row["update ms"] > 0 for row in rows)
