import pandas as pd
import pytest

from sparse_rl.report.sentences import criterion, no_loss, without_loss
from sparse_rl.summary.final_table import Margin


def table(**verdicts: str) -> pd.DataFrame:
    """A final table with one variant for each keyword: int8_90="worse" is 0.9-int8."""
    rows = [{"variant": "0", "target_sparsity": 0.0, "arithmetic": "float32", "verdict": ""}]
    for name, verdict in verdicts.items():
        arithmetic, percent = name.split("_")
        sparsity = int(percent) / 100
        rows.append(
            {
                "variant": f"{sparsity:g}-{arithmetic}",
                "target_sparsity": sparsity,
                "arithmetic": arithmetic,
                "verdict": verdict.replace("_", " "),
            }
        )
    numbers = {"difference": -1.0, "difference_low": -2.5, "difference_high": 0.5, "pairs": 7}
    kind = {"method": "gradual", "critic_sparsity": 0.0, "settings": ""}
    return pd.DataFrame([row | kind | numbers for row in rows])


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (
            {"float32_50": "not worse", "float32_90": "not worse", "float32_98": "worse"},
            "Pruned: not worse than dense up to 90 % sparsity; there, mean difference -1.0 (95 % "
            "interval -2.5 to +0.5, 7 seeds).",
        ),
        (
            {"float32_50": "undecided", "float32_90": "not worse"},
            "Pruned: not worse than dense up to 90 % sparsity (though it is not shown for 50 %); "
            "there, mean difference -1.0 (95 % interval -2.5 to +0.5, 7 seeds).",
        ),
        (
            {"float32_50": "undecided", "float32_90": "worse", "float32_98": "worse"},
            "Pruned: at no level is it shown that nothing is lost against dense; undecided at "
            "50 %, worse at 90 %, 98 %.",
        ),
        (
            {"int8w_0": "not worse"},
            "Not pruned, int8 weights: not worse than dense; mean difference -1.0 (95 % interval "
            "-2.5 to +0.5, 7 seeds).",
        ),
        (
            {"float32_50": "few seeds"},
            "Pruned: too few seeds to say whether return is lost; three are needed.",
        ),
    ],
)
def test_sentence(verdicts: dict[str, str], expected: str) -> None:
    (sentence,) = no_loss(table(**verdicts))
    assert str(sentence) == expected


def test_in_a_few_words() -> None:
    verdicts = {"float32_90": "not worse", "int8_95": "not worse", "int8w_50": "worse"}
    assert without_loss(table(**verdicts)) == "90 %, 95 % (int8)"
    assert without_loss(table(float32_90="undecided")) == "-"


def test_criterion_says_its_margin_and_where_it_comes_from() -> None:
    sentence = criterion(Margin(12.5, "as asked for"))
    assert "wholly above -12.5 (as asked for)" in sentence
