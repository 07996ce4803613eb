"""Steps in words, and what is wrong with them in one line."""

import pytest

from sparse_rl.compression.options import DistillationOptions, PruneOptions
from sparse_rl.compression.steps import family_of, name_of, parse_chain, parse_step


def test_a_step_with_its_level_and_options():
    step = parse_step("prune:0.95:distribution=uniform")
    assert step.options == PruneOptions(level=0.95, distribution="uniform")
    assert step.label == "prune0.95-uniform"


def test_names_of_chains():
    chain = parse_chain("units:0.5+distil:0.9:arithmetic=int8+int8_static:calibration=mse")
    assert name_of(chain) == "units0.5+distil0.9-int8+int8_static-mse"
    assert family_of(chain) == "units + distil-int8 + int8_static-mse"
    assert chain[1].options == DistillationOptions(level=0.9, arithmetic="int8")
    assert name_of(parse_chain("distil")) == "distil"
    assert name_of(parse_chain("int8")) == "int8"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("prun:0.9", "unknown pass 'prun'; did you mean prune?"),
        ("prune:1.5", "prune:1.5: level"),
        ("prune:0.9:level=0.5", "level: given twice"),
        ("prune:0.9:size=3", "size: unknown; allowed: level, distribution"),
        ("int8:0.5", "level: unknown; allowed: scales"),
        ("distil:0.9:updates=many", "updates"),
        ("prune:0.5+", "allowed: NAME"),
        ("", "allowed: NAME"),
        ("int8_static:calibration=best", "calibration"),
    ],
)
def test_what_is_wrong_in_one_line(words, line):
    with pytest.raises(ValueError) as raised:
        parse_chain(words)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)
