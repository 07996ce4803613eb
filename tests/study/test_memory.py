"""The estimate of memory against arrays that exist, and what it says where they would not fit."""

from pathlib import Path
from typing import Any

import jax
import pytest

from sparse_rl.config.error import ConfigError
from sparse_rl.config.reading import from_mapping
from sparse_rl.study import memory
from sparse_rl.study.preparation import Study, prepare
from tests.population.training import only


def study(**changes: Any) -> Study:
    return prepare(
        from_mapping(
            {
                "environment": "probe/termination?actions=continuous",
                "seeds": 2,
                "network": {"hidden": [8]},
                "replay": {"capacity": 1000, "batch_size": 4},
                "training": {"steps": 100, "learning_starts": 10},
                "sparsity": {"levels": [0, 0.5, 0.8, 0.9], "interval": 6},
            }
            | changes
        )
    )


def test_the_estimate_is_what_a_population_takes() -> None:
    one = study()
    members = only(one.fresh(one.phases[0])).members
    need = memory.of_one_member(one)
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(members.memory))
    assert need.memory == held / 2
    # By hand: observation and action and reward as float32, three flags as bytes.
    assert need.memory == 1000 * (3 * 4 + 3)
    assert need.networks == sum(leaf.nbytes for leaf in jax.tree.leaves(members.agent)) / 2
    # Actor: 1x8+8, twice 8x1+1. Adam twice more, and masks as bytes. Critics: two of 2x8+8, 8+1,
    # with Adam and targets. Temperature, with Adam. Three counters of steps.
    actor, critics = 16 + 18, 2 * (24 + 9)
    kernels = 8 + 8 + 8
    assert need.networks == 4 * (3 * actor + 4 * critics + 3 + 3) + kernels


def test_the_most_is_held_at_a_fork() -> None:
    # Eight members of four levels, with the two or eight they are copied from and the ends that
    # later phases go on from.
    one = study(quantization={"modes": []})
    assert memory.most_members(one, one.phases) == 8 + 2
    both = study(quantization={"modes": ["int8w", "int8"]})
    assert memory.most_members(both, both.phases) == 8 + 8
    halves = study(quantization={"modes": []}, population={"split": 2})
    assert memory.most_members(halves, halves.phases) == 4 + 2


def test_what_does_not_fit_is_refused_and_the_settings_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = study(quantization={"modes": []}, evaluation={"final_episodes": 20})
    member = memory.of_one_member(one).total
    said: list[str] = []
    monkeypatch.setattr(memory, "available", lambda _: 10 * member)
    memory.require(one, said.append)
    assert said[0].startswith("memory: networks ")
    monkeypatch.setattr(memory, "available", lambda _: 8 * member)
    with pytest.raises(ConfigError) as caught:
        memory.require(one, said.append)
    assert str(caught.value).startswith("replay.capacity: the study needs ")
    assert str(caught.value).endswith("allowed: less, or population.split 2 with the same results")
    monkeypatch.setattr(memory, "available", lambda _: 2 * member)
    with pytest.raises(ConfigError, match=r"allowed: less, or fewer seeds"):
        memory.require(one, said.append)
    monkeypatch.setattr(memory, "available", lambda _: None)
    memory.require(one, said.append)


def test_of_an_agent_without_a_replay_buffer_the_rollout_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = study(
        agent={"name": "ppo", "rollout_steps": 1000, "batch_size": 50},
        replay={},
        training={"steps": 10_000},
        sparsity={"levels": [0, 0.5], "interval": 1000},
        evaluation={"every": 5000},
    )
    monkeypatch.setattr(memory, "available", lambda _: 1)
    with pytest.raises(ConfigError, match=r"^agent\.rollout_steps: the study needs "):
        memory.require(one, lambda _: None)


def test_memory_of_this_machine_is_known() -> None:
    there = memory.available(jax.local_devices())
    assert there is None or 2**20 < there < 2**50


def test_an_evaluation_is_counted_with_the_episodes_that_it_plays_side_by_side() -> None:
    small, large = (
        study(quantization={"modes": []}, evaluation={"episodes": 1, "final_episodes": count})
        for count in (1000, 3000)
    )
    one, episode = memory.of_one_member(small), memory.of_one_episode(small)
    found = [memory.needed(each, each.phases, one, episode) for each in (small, large)]
    # Eight members of four levels in the last phase; there is nobody else by then.
    assert [each.evaluation for each in found] == [8 * 1000 * episode, 8 * 3000 * episode]
    assert found[0].memory == 8 * one.memory
    batch = jax.eval_shape(
        small.evaluation_environment.reset,
        jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 5)),
    )
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(batch))
    assert held / 5 <= episode <= 4 * held / 5


def test_what_an_evaluation_needs_too_much_names_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = study(quantization={"modes": []}, evaluation={"final_episodes": 100_000})
    monkeypatch.setattr(memory, "available", lambda _: 20 * memory.of_one_member(one).total)
    with pytest.raises(ConfigError, match=r"^evaluation\.final_episodes: the study needs "):
        memory.require(one, lambda _: None)


@pytest.mark.parametrize("version", [1, 2])
def test_files_kept_in_memory_leave_room_in_a_container(tmp_path: Path, version: int) -> None:
    assert memory._container(tmp_path) == []
    first = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    limit, used, files = (
        first if version == 1 else ("memory.max", "memory.current", "inactive_file")
    )
    folder = tmp_path / "memory" if version == 1 else tmp_path
    folder.mkdir(exist_ok=True)
    (folder / limit).write_text("1000\n")
    (folder / used).write_text("900\n")
    (folder / "memory.stat").write_text(f"anon 300\n{files} 550\nactive_file 50\n")
    assert memory._container(tmp_path) == [650]
    if version == 2:
        (folder / limit).write_text("max\n")
        assert memory._container(tmp_path) == []
