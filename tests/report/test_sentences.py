"""What the report says in words follows from the verdicts, level by level."""

import itertools
import re

import pandas as pd
import pytest

from sparse_rl.report.sentences import criterion, failures, no_loss
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
    numbers = {
        "difference": -1.0,
        "difference_low": -2.5,
        "difference_high": 0.5,
        "pairs": 7,
        "failed": 0,
    }
    kind = {"method": "gradual", "critic_sparsity": 0.0}
    return pd.DataFrame([row | kind | numbers for row in rows])


LEVELS = (50, 90, 98)
VERDICTS = ("not worse", "undecided", "worse", "few seeds", "not finished")


def percentages(text: str) -> set[int]:
    """The levels that a text names; an interval is of 95 %, which none of the levels is."""
    return {int(number) for number in re.findall(r"(\d+) %", text)} - {95}


@pytest.mark.parametrize("verdicts", itertools.product(VERDICTS, repeat=3), ids="-".join)
def test_no_sentence_claims_more_than_the_verdicts_hold(verdicts: tuple[str, ...]) -> None:
    found = dict(zip(LEVELS, verdicts, strict=True))
    (sentence,) = no_loss(
        table(**{f"float32_{level}": verdict for level, verdict in found.items()})
    )
    text = str(sentence)
    good = {level for level, verdict in found.items() if verdict == "not worse"}
    bad = sorted(set(LEVELS) - good)
    in_order = {level for level in good if not bad or level < bad[0]}
    if good:
        claimed, _, alone = text.partition("by itself")
        if in_order:
            assert "not worse than dense up to" in claimed
            assert percentages(sentence.claim.partition("(")[0]) == {max(in_order)}
            assert f"at {max(in_order)} %, mean difference" in sentence.detail
            expected = (good - in_order) | {bad[0]} if good - in_order else set()
            assert percentages(alone.partition(")")[0]) == expected
        else:
            assert f"{found[bad[0]]} at {bad[0]} %" in claimed
            assert percentages(alone) == good and "not worse" not in claimed
        assert "-1.0" in text and "-2.5 to +0.5" in text and "7 seeds" in text
        return
    assert "not worse" not in text
    if len(set(verdicts)) > 1:  # each level stands behind its own verdict
        for part in re.split(r", (?=[a-z])", sentence.detail):
            verdict, _, levels = part.partition(" at ")
            assert percentages(levels) == {
                level for level, other in found.items() if other == verdict
            }
    elif verdicts[0] == "few seeds":
        assert text == "Too few seeds to say whether return is lost; three are needed."
    else:
        assert verdicts[0] in text
        assert percentages(text) == set(LEVELS)


def test_what_holds_of_all_kinds_is_said_once() -> None:
    every = {f"{kind}_{level}": "few_seeds" for kind in ("float32", "int8") for level in (0, 90)}
    del every["float32_0"]
    found = table(**every)
    assert list(map(str, no_loss(found))) == [
        "Too few seeds to say whether return is lost; three are needed."
    ]
    found.loc[found["verdict"] == "", "failed"] = 2
    assert str(no_loss(found)[0]).endswith("three are needed in which dense has not failed.")
    every["int8_90"] = "not_finished"
    assert [str(sentence).partition(":")[0] for sentence in no_loss(table(**every))] == [
        "Pruned",
        "Not pruned, int8 weights and activations",
        "Pruned with int8 weights and activations",
    ]


def test_where_failed_seeds_count_is_said() -> None:
    found = table(float32_90="worse", int8_90="worse").assign(seeds=7)
    assert failures(found) == []
    found.loc[found["variant"] == "0.9-int8", ["failed", "seeds"]] = 3, 4
    (line,) = failures(found)
    assert line.startswith("Failed seeds: 3 of 7 of 0.9-int8. ")
    assert "counts as the lowest of acting at random and all final returns" in line


def test_a_difference_that_is_the_same_but_for_rounding_has_two_decimals() -> None:
    same = table(float32_90="not worse")
    low, high = 0.2 - 1e-16, 0.2 + 1e-16
    same = same.assign(difference=0.2, difference_low=low, difference_high=high)
    assert "difference +0.20 (95 % interval +0.20 to +0.20" in str(no_loss(same)[0])


def test_of_dense_alone_nothing_is_compared() -> None:
    assert no_loss(table()) == []
    assert criterion(Margin(1.0, ""), table(), 0.2) == ""


def test_one_that_is_not_pruned_has_no_level() -> None:
    (sentence,) = no_loss(table(int8w_0="not worse"))
    assert "not worse than dense" in sentence.claim
    assert percentages(sentence.claim) == set()


def test_criterion_says_its_margin_and_where_it_comes_from() -> None:
    sentence = criterion(Margin(12.5, "as asked for"), table(float32_90="worse"), 0.2)
    assert "wholly above -12.5 (as asked for)" in sentence
    assert "wholly above 0 (" in criterion(Margin(0.0, "nothing gained"), table(int8_90="worse"), 0)
    assert "collapses" not in sentence and "longer" not in sentence


def test_criterion_says_what_so_few_seeds_leave_open() -> None:
    """7 seeds of which none collapses: (1 - 0.41)^7 = 0.025."""
    found = criterion(Margin(1.0, ""), table(float32_90="not worse", int8_90="worse"), 0.2)
    assert "7 seeds of which none collapses do not exclude that 41 % of trainings do." in found
    assert "int8 and integer variants have trained 20 % longer than dense" in found
    assert "longer" not in criterion(Margin(1.0, ""), table(int8_90="not worse"), 0.0)


def test_criterion_says_how_many_seeds_to_plan_for_where_it_is_undecided() -> None:
    """s of -1.0 (-2.5 .. +0.5) from 7 seeds is 1.62; half of it takes 34, rounded to itself."""
    both = table(float32_90="undecided", int8_90="worse")
    assert criterion(Margin(0.811, ""), both, 0.0).endswith(
        'Undecided: if it loses nothing and seeds spread as here, a variant is called "not worse" '
        "in 80 % of studies with so many seeds: 34 (0.9-float32)."
    )
    for margin, pairs in ((0.0, 7), (0.811, 4)):
        assert "Undecided" not in criterion(Margin(margin, ""), both.assign(pairs=pairs), 0.0)
    assert "more than 1,000 (0.9-float32)" in criterion(Margin(0.01, ""), both, 0.0)
    five = {f"float32_{level}": "undecided" for level in (50, 60, 70, 80, 90)}
    many = table(**five)
    many.loc[many["variant"] == "0.6-float32", "difference_low"] = -5.5  # three times as wide
    assert criterion(Margin(0.811, ""), many, 0.0).endswith(
        ": from 34 (0.5-float32) to 290 (0.6-float32)."
    )
