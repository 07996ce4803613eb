"""What forking saves: by hand, and as it stands in the results."""

import json

from benchmarks import member_steps
from benchmarks.results import RESULTS
from sparse_rl.config.reading import from_mapping
from sparse_rl.study.plan import plan


def test_the_papers_panel() -> None:
    phases = plan(from_mapping(member_steps.PAPER))
    # Millions, ten seeds: 0.2 once, then eight levels for 0.8 and again, int8, for 0.2.
    assert member_steps.together(phases) == 82_000_000
    assert member_steps.separately(phases) == 10 * 8 * (1_000_000 + 1_200_000)
    assert member_steps.separately(phases, continued=True) == 10 * 8 * (1_000_000 + 200_000)


def test_one_level_and_two_ways_of_int8() -> None:
    changes = {
        "seeds": 1,
        "sparsity": {"levels": [0, 0.9], "begin": 0.2, "end": 0.8, "interval": 1_000},
        "quantization": {"modes": ["int8w", "int8"], "fraction": 0.2},
    }
    phases = plan(from_mapping(member_steps.PAPER | changes))
    assert member_steps.together(phases) == 200_000 + 2 * 800_000 + 4 * 200_000
    assert member_steps.separately(phases) == 2 * 1_000_000 + 4 * 1_200_000
    assert member_steps.separately(phases, continued=True) == 2 * 1_000_000 + 4 * 200_000


def test_the_results_are_what_the_phases_give() -> None:
    content = json.loads((RESULTS / "benchmarks" / "member_steps.json").read_text())
    assert content["rows"] == list(member_steps.rows(member_steps.STUDIES))
    assert content["rows"][0]["fewer by"] >= member_steps.AIM
