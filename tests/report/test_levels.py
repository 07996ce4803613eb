"""Levels that a network is too small for: shown where they ended, once, and said."""

import numpy as np
import pandas as pd

from sparse_rl.report.levels import labels, notices, reached


def table(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["target_sparsity", "achieved_sparsity", "nonzero"])


def test_levels_that_were_met_stay_where_they_were_asked_for() -> None:
    met = table((0.0, 0.0, 150), (0.9, 0.899, 15), (0.98, 0.98, 3), (0.98, 0.979, 3))
    assert reached(met) == {0.0: 0.0, 0.9: 0.9, 0.98: 0.98}
    assert labels(met) == {0.0: "0 %", 0.9: "90 %", 0.98: "98 %"}
    assert notices(met) == []


def test_levels_out_of_reach_are_one_place() -> None:
    missed = table((0.0, 0.0, 150), (0.9999, 0.98, 3), (0.999999, 0.98, 3))
    assert reached(missed) == {0.0: 0.0, 0.9999: 0.98, 0.999999: 0.98}
    assert labels(missed) == {0.0: "0 %", 0.98: "99.99 %\n99.9999 %"}
    (line,) = notices(missed)
    assert line == (
        "Out of reach of so small a network: 99.99 % and 99.9999 %; they are the same network, at "
        "98 % (3 weights)."
    )


def test_without_a_measured_sparsity_levels_are_taken_as_met() -> None:
    assert reached(table((0.5, np.nan, np.nan))) == {0.5: 0.5}
