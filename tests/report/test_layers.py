from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparse_rl.architecture import ArgMax, Dense, Network, Observation, Relu, to_json
from sparse_rl.report.layers import by_name, fan_out, in_order, share_of_seeds_that_look
from sparse_rl.runs.run import Run

MakeRun = Callable[..., Path]


def test_a_digit_that_is_no_number_is_a_letter() -> None:
    names = ["hidden_10", "hidden_1\N{SUPERSCRIPT TWO}", "hidden_9"]
    assert by_name(names) == ["hidden_1\N{SUPERSCRIPT TWO}", "hidden_9", "hidden_10"]


def test_layers_are_ordered_from_input_to_output() -> None:
    expected = ["convolution_0", "convolution_2", "convolution_10", "hidden_0", "mean", "log_std"]
    assert by_name(sorted(expected)) == expected
    residual = ["stack_0/convolution", "stack_1/block_0/convolution_1", "hidden_0", "head"]
    assert by_name(sorted(residual)) == residual


def test_layers_of_a_network_of_ones_own_are_ordered_as_it_computes_them(make_run: MakeRun) -> None:
    run = make_run()
    own = (Dense("zoom", 4), Relu(), Dense("aim", 4))
    network = Network(Observation((3,)), own, (Dense("head", 2),), ArgMax())
    (run / "network.json").write_text(to_json(network))
    assert in_order(Run(run), {"head", "aim", "zoom"}) == ["zoom", "aim", "head"]
    assert in_order(Run(run), {"head", "alien", "another"}) == ["head", "alien", "another"]


def test_fan_out_of_a_dense_layer_by_hand() -> None:
    mask = np.zeros((2, 3, 4), bool)  # two seeds, three inputs, four units
    mask[0, 0] = True
    mask[1, 0, :2] = True
    mask[1, 1, 3] = True
    np.testing.assert_allclose(fan_out(mask), [6 / 8, 1 / 8, 0])
    np.testing.assert_allclose(share_of_seeds_that_look(mask), [1, 0.5, 0])


def test_fan_out_of_a_convolution_is_by_channel() -> None:
    mask = np.zeros((1, 3, 3, 4, 16), bool)
    mask[0, :, :, 2, :8] = True
    np.testing.assert_allclose(fan_out(mask), [0, 0, 0.5, 0])


@pytest.mark.parametrize("names", [[], ["unknown_1", "unknown_0"]])
def test_unknown_layers_are_sorted_too(names: list[str]) -> None:
    assert by_name(names) == sorted(names)
