"""Levels that a small network cannot have are said, and those that it can are not."""

from typing import Any

from sparse_rl.config.reading import from_mapping
from sparse_rl.study.preparation import prepare
from sparse_rl.study.reach import too_sparse


def lines(levels: list[float], agent: str = "sac", **changes: Any) -> list[str]:
    return too_sparse(
        prepare(
            from_mapping(
                {
                    "environment": "probe/termination?actions=continuous",
                    "agent": {"name": agent},
                    "network": {"hidden": [50]},
                    "sparsity": {"levels": levels, **changes},
                }
            )
        )
    )


def test_levels_within_reach_need_no_word() -> None:
    # One input, 50 units, a mean and a deviation: 150 weights.
    assert lines([0, 0.5, 0.9, 0.98]) == []


def test_levels_that_end_in_the_same_network_are_named_together() -> None:
    assert lines([0, 0.9999, 0.999999]) == [
        "sparsity.levels: 0.9999 and 0.999999 leave 3 of the policy's 150 weights, which is 98 %: "
        "the same network"
    ]


def test_a_level_out_of_reach_is_named_alone() -> None:
    assert lines([0, 0.9999]) == [
        "sparsity.levels: 0.9999 leaves 3 of the policy's 150 weights, which is 98 %"
    ]


def test_the_critics_have_levels_of_their_own() -> None:
    (line,) = lines([0, 0.5], critic_levels=[0, 0.99999])
    assert line.startswith("sparsity.critic_levels: 0.99999 leaves ")


def test_a_value_is_a_critic_too() -> None:
    (line,) = lines([0, 0.5], "ppo", critic_levels=[0, 0.99999])
    assert line.startswith("sparsity.critic_levels: 0.99999 leaves 2 of the value's 100 weights")
