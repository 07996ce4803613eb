"""Numbers as a person reads them."""

import pytest

from sparse_rl.units import in_bytes, in_figures, in_time


@pytest.mark.parametrize(
    ("value", "figures", "text"),
    [
        (-1.23456, 4, "-1.235"),
        (12_345.6, 4, "12,346"),
        (999.96, 4, "1000"),
        (1000.2, 4, "1,000"),
        (999.6, 3, "1,000"),
        (-1000.4, 3, "-1,000"),
        (1 / (1 - 0.999), 3, "1,000"),
        (99.96, 3, "100"),
        (0.012345, 3, "0.0123"),
        (0.0, 4, "0"),
    ],
)
def test_figures(value: float, figures: int, text: str) -> None:
    """Never a power of ten, and no figure before the point is lost."""
    assert in_figures(value, figures) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (512, "512 B"), (999.6, "1 kB"), (23.4e6, "23.4 MB")]
)
def test_bytes(count: float, text: str) -> None:
    assert in_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "0:04"), (59.6, "1:00"), (245, "4:05"), (3845, "1:04:05")]
)
def test_time(seconds: float, text: str) -> None:
    assert in_time(seconds) == text
