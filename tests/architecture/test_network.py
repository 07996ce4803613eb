"""Networks as data: shapes against Flax's, JSON there and back, what is refused."""

import subprocess
import sys

import pytest

from sparse_rl.architecture import (
    ArgMax,
    Block,
    Clip,
    Convolution,
    Dense,
    Flatten,
    Initializer,
    LayerNorm,
    MaxPool,
    Network,
    Normalize,
    Observation,
    Relu,
    Residual,
    Squash,
    Tanh,
    from_json,
    layers,
    to_json,
)
from tests.example_networks import gaussian, q_values

EVERYTHING = Network(
    Observation((9, 8, 3), "uint8", 255.0, 3),
    (
        Normalize("normalize", 1e-6, 5.0),
        Block(
            "stack",
            (
                Convolution("c", 4, (3, 2), (2, 1), "SAME", Initializer("orthogonal", 2.0)),
                Residual("r", (Relu(), Convolution("d", 4, (3, 3), padding="SAME"))),
            ),
        ),
        MaxPool((2, 3), (1, 2), "SAME"),
        Flatten(),
        LayerNorm("norm"),
        Tanh(),
        Dense("hidden_0", 7),
    ),
    (Dense("mean", 2), Dense("log_std", 2)),
    Squash((-1.0, 0.0), (1.0, 2.5)),
)


@pytest.mark.parametrize(
    "network",
    [
        EVERYTHING,
        gaussian(3, 2, (4,)),
        q_values("impala", (84, 84, 4), "uint8", 6, (512,)),
        Network(Observation((2,)), (), (Dense("mean", 1),), Clip((-1.0,), (1.0,))),
        Network(Observation((2,)), (), (Dense("value", 1),), None),
    ],
)
def test_a_network_comes_back_from_its_json_equal(network):
    assert from_json(to_json(network)) == network


def test_layers_come_in_the_order_of_computation_with_their_paths_and_shapes():
    found = [(layer.path, layer.before, layer.after) for layer in layers(EVERYTHING)]
    assert found == [
        ("stack/c", (9, 8, 3), (5, 8, 4)),
        ("stack/r/d", (5, 8, 4), (5, 8, 4)),
        ("hidden_0", (5 * 4 * 4,), (7,)),
        ("mean", (7,), (2,)),
        ("log_std", (7,), (2,)),
    ]
    assert [layer.kernel_shape for layer in layers(EVERYTHING)][:3] == [
        (3, 2, 3, 4),
        (3, 3, 4, 4),
        (80, 7),
    ]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Network(Observation((3, 3, 1)), (), (Dense("head", 2),)), "ends with shape"),
        (
            lambda: Network(Observation((3,)), (Dense("a", 2), Dense("a", 2)), (Dense("b", 1),)),
            "two layers a",
        ),
        (
            lambda: Network(Observation((3,)), (), (Dense("mean", 2),), Squash((-1.0,), (1.0,))),
            "bounds have 1 elements, the head mean 2",
        ),
        (
            lambda: Network(
                Observation((3,)), (Residual("r", (Dense("a", 2),)),), (Dense("b", 1),), ArgMax()
            ),
            r"residual body turns shape \(3,\) into \(2,\)",
        ),
        (lambda: Convolution("c", 2, (0, 1)), "two positive sizes"),
        (lambda: Observation((0,)), "positive sizes"),
    ],
)
def test_what_does_not_fit_is_refused(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        to_json(EVERYTHING).replace("dense", "spline"),
        to_json(EVERYTHING).replace('"features": 7', '"features": "many"'),
        to_json(EVERYTHING).replace("SAME", "sideways"),
    ],
)
def test_json_that_is_no_network_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match=r"^network: ") as refusal:
        from_json(text)
    assert "\n" not in str(refusal.value)


def test_networks_are_described_without_jax():
    program = (
        "import sys; from sparse_rl.architecture import *; "
        "from tests.example_networks import gaussian; to_json(gaussian(3, 1, (4,))); "
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
