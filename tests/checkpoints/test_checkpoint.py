"""Checkpoints on disk: whole, checked, rotated, and for any number of devices."""

import errno
import functools
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from sparse_rl.checkpoints import manifest as manifests
from sparse_rl.checkpoints import tensor_file
from sparse_rl.checkpoints.checkpoint import Checkpoints
from sparse_rl.checkpoints.interval import Interval
from sparse_rl.checkpoints.manifest import Position
from sparse_rl.checkpoints.tensor_file import CorruptFileError, OtherVersionError
from sparse_rl.config.error import ConfigError
from sparse_rl.config.reading import from_mapping
from sparse_rl.config.sections import CheckpointConfig
from sparse_rl.population import chunks
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.members import Population
from sparse_rl.study.phases import Phase
from sparse_rl.study.preparation import Study, prepare
from tests.population.training import only


@functools.cache
def study(devices: int, cohort: int = 0) -> Study:
    return prepare(
        from_mapping(
            {
                "environment": "probe/termination?actions=continuous",
                "seeds": 3,
                "devices": devices,
                "population": {"cohort": cohort},
                "network": {"hidden": [4]},
                "replay": {"capacity": 30, "batch_size": 4},
                "training": {"steps": 60, "learning_starts": 10},
                "sparsity": {"interval": 6},
                "quantization": {"modes": []},
            }
        )
    )


def phase(devices: int) -> Phase:
    return study(devices).phases[0]


@functools.cache
def collected(devices: int, cohort: int = 0) -> Any:
    """Members whose memories and environments have something to lose."""
    made, first = study(devices, cohort), phase(devices)
    chunk = chunks.collect_chunk(made.program(first), made.mesh)
    return made.fresh(first).each(lambda part: chunk(part, np.int32(17)))


def checkpoints(path: Path, digest: str = "abc", **settings: Any) -> Checkpoints:
    return Checkpoints(path / "checkpoints", CheckpointConfig(**settings), digest, [3, 3, 3])


def arrays(state: Cohorts, members: int = 3) -> dict[str, np.ndarray]:
    def words(part: Population) -> dict[str, Any]:
        found = {}
        for path, leaf in jax.tree_util.tree_flatten_with_path(part.members)[0]:
            typed = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            found[jax.tree_util.keystr(path)] = jax.random.key_data(leaf) if typed else leaf
        return found

    return {name: rows[:members] for name, rows in state.read(words).items()}


def assert_same(one: Cohorts, other: Cohorts) -> None:
    left, right = arrays(one), arrays(other)
    assert list(left) == list(right)
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
    assert int(one.clock) == int(other.clock)


def load(store: Checkpoints, folder: Path, devices: int, cohort: int = 0) -> tuple[Cohorts, bool]:
    made = study(devices, cohort)
    shapes, members = made.shapes(phase(devices)), len(phase(devices).members)
    return store.load(folder, shapes, members, made.mesh)


@pytest.mark.parametrize("replay", ["full", "compressed"])
@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 2), (1, 2), (2, 1)])
def test_everything_comes_back_on_any_number_of_devices(
    tmp_path: Path, replay: str, before: int, after: int
) -> None:
    store = checkpoints(tmp_path, replay=replay)
    saved = store.save(Position(0, 17, 123), collected(before), {})
    files = [path for path in saved.path.iterdir() if "safetensors" in path.name]
    assert saved.bytes == sum(path.stat().st_size for path in files)
    manifest = store.manifest(saved.path)
    assert manifest.position == Position(0, 17, 123)
    state, has_memory = load(store, saved.path, after)
    assert has_memory
    assert_same(state, collected(before))
    count = 4 if after == 2 else 3  # three members do not divide two devices: one is a copy
    assert state.sizes == (count,)
    if after == 2:
        for name, array in arrays(state, 4).items():
            np.testing.assert_array_equal(array[3], array[0], err_msg=name)


@pytest.mark.parametrize(
    ("before", "after", "devices", "sizes"),
    [(0, 1, 1, (1, 1, 1)), (2, 0, 1, (3,)), (2, 1, 1, (1, 1, 1)), (1, 1, 2, (2, 2))],
)
def test_everything_comes_back_in_any_cohorts(
    tmp_path: Path, before: int, after: int, devices: int, sizes: tuple[int, ...]
) -> None:
    store = checkpoints(tmp_path)
    saved = store.save(Position(0, 17, 123), collected(devices, before), {})
    state, _ = load(store, saved.path, devices, after)
    assert state.sizes == sizes
    assert_same(state, collected(devices))
    kept = store.keep(tmp_path / "kept", Position(0, 17, 0), collected(1, 1), range(1, 3))
    template = study(1, 1).shapes(phase(1)._replace(members=phase(1).members[1:]))
    rows, _ = store.load(kept.path, template, 2, study(1, 1).mesh)
    for name, array in arrays(rows).items():
        np.testing.assert_array_equal(array, arrays(collected(1))[name][1:], err_msg=name)


def test_a_resumed_program_is_the_same_program(tmp_path: Path) -> None:
    store = checkpoints(tmp_path)
    folder = store.save(Position(0, 17, 0), collected(2), {}).path
    state, _ = load(store, folder, 2)
    first = study(2).phases[1]
    chunk = chunks.train_chunk(study(2).program(first), study(2).mesh)
    fresh = study(2).fresh(first)
    resumed = chunk.lower(only(state), np.int32(0)).as_text()
    assert resumed == chunk.lower(only(fresh), np.int32(0)).as_text()
    assert state.clock.shape == ()  # a clock with a member axis would turn branches into selects


def test_memories_can_be_left_out(tmp_path: Path) -> None:
    store = checkpoints(tmp_path, replay="none")
    full = checkpoints(tmp_path / "full").save(Position(0, 17, 0), collected(1), {})
    saved = store.save(Position(0, 17, 0), collected(1), {})
    memory = sum(leaf.nbytes for leaf in jax.tree.leaves(only(collected(1)).members.memory))
    assert full.bytes - saved.bytes >= memory
    state, has_memory = load(store, saved.path, 1)
    assert not has_memory
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(only(state).members.memory))
    found, expected = arrays(state), arrays(collected(1))
    for name in found:
        if not name.startswith(".memory"):
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_old_ones_go_and_ends_stay_as_long_as_they_are_used(tmp_path: Path) -> None:
    store = checkpoints(tmp_path, keep=2)
    ends = {0: collected(1)}
    for number in range(3):
        store.save(Position(1, 17 + number, 0), collected(1), ends)
    assert [path.name for path in store.newest_first()] == ["000003", "000002"]
    assert_same(load(store, store.end(0), 1)[0], collected(1))
    store.save(Position(2, 20, 0), collected(1), {})
    assert store.end(0).exists()  # 000003 may still be needed
    store.save(Position(2, 21, 0), collected(1), {})
    assert not store.end(0).exists()
    assert sorted(path.name for path in store.folder.iterdir()) == ["000004", "000005"]


@pytest.mark.parametrize(
    "where", ["members-0.safetensors", "memory-0.safetensors", "manifest.json"]
)
def test_a_changed_byte_is_noticed(tmp_path: Path, where: str) -> None:
    store = checkpoints(tmp_path)
    folder = store.save(Position(0, 17, 0), collected(1), {}).path
    content = bytearray((folder / where).read_bytes())
    content[len(content) // 2] ^= 4
    (folder / where).write_bytes(content)
    with pytest.raises(CorruptFileError, match=where):
        load(store, folder, 1)
    store.set_aside(folder)
    assert store.newest_first() == []
    store.save(Position(0, 17, 0), collected(1), {})
    assert len(store.newest_first()) == 1


def test_another_format_is_not_taken_for_damage(tmp_path: Path) -> None:
    store = checkpoints(tmp_path)
    folder = store.save(Position(0, 17, 0), collected(1), {}).path
    file = folder / manifests.FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 1}))
    with pytest.raises(OtherVersionError, match="format 1 instead of 2"):
        load(store, folder, 1)


def test_other_members_are_not_taken_for_damage_unless_there_is_some(tmp_path: Path) -> None:
    store = checkpoints(tmp_path)
    folder = store.save(Position(0, 17, 0), collected(1), {}).path
    shapes = only(study(1).shapes(phase(1)))
    agent = (shapes.members.agent, shapes.clock)
    more = Cohorts((shapes._replace(members=shapes.members._replace(agent=agent)),))
    with pytest.raises(OtherVersionError, match="does not hold agent/0"):
        store.load(folder, more, len(phase(1).members), study(1).mesh)
    file = folder / "members-0.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 4
    file.write_bytes(content)
    with pytest.raises(CorruptFileError, match="checksum"):
        store.load(folder, more, len(phase(1).members), study(1).mesh)


def test_an_end_that_was_set_aside_is_written_anew(tmp_path: Path) -> None:
    store = checkpoints(tmp_path)
    ends = {0: collected(1)}
    for clock in (17, 18):
        store.save(Position(1, clock, 0), collected(1), ends)
        (store.end(0) / "members-0.safetensors").write_bytes(b"")
        store.set_aside(store.end(0))  # the second time one is there by that name
    store.save(Position(1, 19, 0), collected(1), ends)
    assert_same(load(store, store.end(0), 1)[0], collected(1))


def test_another_experiment_is_refused(tmp_path: Path) -> None:
    folder = checkpoints(tmp_path).save(Position(0, 17, 0), collected(1), {}).path
    with pytest.raises(ConfigError, match=r"resume: .* is of experiment abc"):
        checkpoints(tmp_path, digest="xyz").manifest(folder)


@pytest.mark.parametrize(
    "fails", ["members-0.safetensors", "memory-0.safetensors", "manifest.json"]
)
def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    store = checkpoints(tmp_path)
    store.save(Position(0, 17, 0), collected(1), {})

    def fsync(descriptor: int) -> None:
        if fails in Path(f"/proc/self/fd/{descriptor}").readlink().name:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(ConfigError) as caught:
        store.save(Position(0, 18, 0), collected(1), {})
    assert str(caught.value) == (
        f"checkpoint: cannot write {store.folder}: No space left on device; "
        f"checkpoint 000001 is intact"
    )
    assert [path.name for path in store.folder.iterdir()] == ["000001"]
    assert_same(load(store, store.newest_first()[0], 1)[0], collected(1))


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file in its place")
    with pytest.raises(ConfigError, match=r"checkpoint: cannot write .*: .*there is none yet"):
        checkpoints(tmp_path).save(Position(0, 17, 0), collected(1), {})


def test_what_a_killed_process_left_is_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = checkpoints(tmp_path)

    class Killed(BaseException):
        pass

    def write(path: Path, *rest: Any) -> None:
        path.write_bytes(b"half of it")
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(tensor_file, "write", write)
        store.save(Position(0, 17, 0), collected(1), {})
    assert store.newest_first() == []
    assert list(store.folder.iterdir()) != []
    saved = store.save(Position(0, 17, 0), collected(1), {})
    assert list(store.folder.iterdir()) == [saved.path]


def test_when_the_next_one_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    by_time = Interval(CheckpointConfig(every=2))
    assert not by_time.is_over(10**6)
    now += 120
    assert by_time.is_over(0)
    by_time.restart(0)
    assert not by_time.is_over(10**6)
    by_steps = Interval(CheckpointConfig(every=10, unit="steps"))
    assert [by_steps.is_over(steps) for steps in (0, 9, 10)] == [False, False, True]
    by_steps.restart(17)
    assert [by_steps.is_over(steps) for steps in (26, 27)] == [False, True]
    never = Interval(CheckpointConfig(every=0))
    now += 1e9
    assert not never.is_over(10**9)


def test_the_manifest_is_readable(tmp_path: Path) -> None:
    folder = checkpoints(tmp_path).save(Position(0, 17, 5), collected(1), {}).path
    content = json.loads(json.loads((folder / "manifest.json").read_text())["content"])
    assert content["members"] == 3
    assert content["position"] == [0, 17, 5]
