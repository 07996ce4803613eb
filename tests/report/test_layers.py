import numpy as np
import pytest

from sparse_rl.report.layers import fan_out, in_order, share_of_seeds_that_look


def test_a_digit_that_is_no_number_is_a_letter() -> None:
    names = ["hidden_10", "hidden_1\N{SUPERSCRIPT TWO}", "hidden_9"]
    assert in_order(names) == ["hidden_1\N{SUPERSCRIPT TWO}", "hidden_9", "hidden_10"]


def test_layers_are_ordered_from_input_to_output() -> None:
    expected = ["convolution_0", "convolution_2", "convolution_10", "hidden_0", "mean", "log_std"]
    assert in_order(sorted(expected)) == expected
    residual = ["stack_0/convolution", "stack_1/block_0/convolution_1", "hidden_0", "head"]
    assert in_order(sorted(residual)) == residual


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
    assert in_order(names) == sorted(names)
