"""Where compiled programs are kept, what goes, and that a kept one gives the same bits."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.monitoring
import numpy as np
import pytest
import zstandard
from jax.experimental.compilation_cache import compilation_cache as jax_cache

from sparse_rl import evaluate, export
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.envs import make
from sparse_rl.population import chunks
from sparse_rl.render.__main__ import main as render
from sparse_rl.runtime import compilation_cache
from sparse_rl.study.preparation import prepare
from tests.programs import train

pytestmark = pytest.mark.usefixtures("compiled_as_usual")

SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
)


@pytest.fixture
def jax_settings() -> Iterator[None]:
    """Afterwards JAX's cache is again that of the other tests."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    jax_cache.reset_cache()


def test_another_processor_has_another_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    here = compilation_cache.processor_and_version()
    assert here == compilation_cache.processor_and_version()
    monkeypatch.setattr(compilation_cache, "_processor", lambda: "model name : another one")
    assert compilation_cache.processor_and_version() != here


@pytest.mark.parametrize("size", [0, 1, 300, 70_000, 400_000])
@pytest.mark.parametrize("repeated", [False, True])
def test_a_program_is_whole_only_with_its_last_byte(
    tmp_path: Path, size: int, repeated: bool
) -> None:
    content = bytes(size) if repeated else np.random.default_rng(0).bytes(size)
    path = tmp_path / "program-cache"
    for known in (True, False):  # whether the frame says how long its content is
        options = zstandard.ZstdCompressor(write_content_size=known, write_checksum=not known)
        packed = options.compress(content)
        path.write_bytes(packed)
        assert compilation_cache.is_whole(path)
        for length in {*range(12), len(packed) // 2, len(packed) - 1} & set(range(len(packed))):
            path.write_bytes(packed[:length])
            assert not compilation_cache.is_whole(path)


def test_tidying_removes_the_damaged_and_the_oldest(tmp_path: Path) -> None:
    folder, other = tmp_path / "x-jax-2", tmp_path / "x-jax-1"
    for place in (folder, other):
        place.mkdir()
    (folder / "broken-cache").write_bytes(zstandard.compress(bytes(5000))[:-1])
    for age, path in enumerate((folder / "new-cache", other / "old-cache", folder / "older-cache")):
        path.write_bytes(bytes(10))
        os.utime(path, (1e9 - age, 1e9 - age))

    def left() -> set[str]:
        return {path.name for place in (folder, other) for path in place.iterdir()}

    for mine in (tmp_path / "mine-cache", tmp_path / "data" / "mine-cache"):
        mine.parent.mkdir(exist_ok=True)
        mine.write_bytes(bytes(500))
    compilation_cache.tidy(folder, tmp_path, limit=30)
    assert left() == {"new-cache", "old-cache", "older-cache"}
    compilation_cache.tidy(folder, tmp_path, limit=29)
    assert left() == {"new-cache", "old-cache"}
    compilation_cache.tidy(folder, tmp_path, limit=10)
    assert left() == {"new-cache"}
    assert len(list(tmp_path.rglob("mine-cache"))) == 2  # nobody asked for theirs to be tidied


@pytest.mark.usefixtures("jax_settings")
def test_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    own = compilation_cache.processor_and_version()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.delenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.use("auto")
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "user/sparse_rl/compiled" / own)
    assert jax.config.jax_persistent_cache_min_compile_time_secs == compilation_cache.SHORTEST

    # Told by the user, as JAX_COMPILATION_CACHE_DIR would.
    jax.config.update("jax_compilation_cache_dir", "/told")
    compilation_cache.use("auto")
    assert jax.config.jax_compilation_cache_dir == "/told"
    compilation_cache.use(str(tmp_path / "mine"))
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mine" / own)
    compilation_cache.use("off")
    assert not jax.config.jax_enable_compilation_cache
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("word", ["none", "False", "no"])
def test_another_word_for_off_makes_no_directory(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"^compilation_cache: found {word}; allowed: auto, off"):
        compilation_cache.use(word)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("jax_settings")
def test_a_directory_that_cannot_be_written_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.use(str(tmp_path / "file"))
    assert jax.config.jax_compilation_cache_dir is None
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"warning: compilation_cache: cannot write {tmp_path}/file: ")


def words(leaf: jax.Array) -> np.ndarray:
    """An array as it lies in memory, random keys included."""
    typed = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if typed else leaf)


class Asked(Exception):
    """Where programs are to be kept."""


@pytest.mark.parametrize(
    "command",
    [
        lambda actor: train(Config(compilation_cache="there")),
        lambda actor: evaluate.main(actor, compilation_cache="there"),
        lambda actor: export.main(actor, ("0.9",), compilation_cache="there"),
        lambda actor: render((str(actor),), compilation_cache="there"),
    ],
    ids=["train", "evaluate", "export", "render"],
)
def test_every_command_that_compiles_keeps_its_programs(
    command: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use(choice: str) -> None:
        raise Asked(choice)

    monkeypatch.setattr(compilation_cache, "use", use)
    (tmp_path / "actor.srl").touch()
    with pytest.raises(Asked, match="there"):
        command(tmp_path / "actor.srl")


@pytest.mark.usefixtures("jax_settings")
def test_a_kept_program_gives_the_bits_of_a_fresh_one(tmp_path: Path) -> None:
    """One chunk of training on two devices, compiled, and again read from the disk."""
    events: list[str] = []
    jax.monitoring.register_event_listener(lambda event, **_: events.append(event.split("/")[-1]))
    config = from_mapping(
        {
            "environment": "probe/termination?actions=discrete",
            "agent": {"name": "dqn"},
            "seeds": 2,
            "network": {"hidden": [8]},
            "replay": {"capacity": 100, "batch_size": 16},
            "training": {"steps": 10_000, "learning_starts": 10},
        }
    )
    prepared = prepare(config)
    phase = prepared.phases[1]
    program = prepared.program(phase)
    (start,) = prepared.fresh(phase).parts
    jax_cache.reset_cache()
    compilation_cache.use(str(tmp_path))

    def trained() -> tuple[list[np.ndarray], list[str]]:
        # A copy for each time, because the chunk takes over the memory of what it is given.
        state = jax.tree.map(jax.numpy.copy, start)
        del events[:]
        chunk = chunks.train_chunk(program, prepared.mesh).lower(state, np.int32(0)).compile()
        found = [event for event in events if event in ("cache_hits", "cache_misses")]
        return [words(leaf) for leaf in jax.tree.leaves(chunk(state, np.int32(40)))], found

    fresh, first = trained()
    jax.clear_caches()
    kept, second = trained()
    assert (first, second) == (["cache_misses"], ["cache_hits"])
    assert any(np.ptp(leaf) > 0 for leaf in fresh if leaf.dtype == np.float32)
    for one, other in zip(fresh, kept, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.usefixtures("jax_settings")
@pytest.mark.skipif(jax.__version_info__ >= (0, 11), reason="JAX finds the host's functions again")
def test_programs_that_call_the_host_are_not_kept(tmp_path: Path) -> None:
    """They hold addresses of this process."""
    pytest.importorskip("gymnasium")
    environment = make("mujoco/Hopper-v4?impl=host")
    jax_cache.reset_cache()
    compilation_cache.use(str(tmp_path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    keys = jax.random.split(jax.random.key(0), 2)

    def named(function: Any) -> set[str]:
        jax.jit(function).lower(keys).compile()
        return {path.name.partition("-")[0] for path in tmp_path.rglob("*-cache")}

    def without_host(keys: jax.Array) -> Any:
        return jax.vmap(jax.random.uniform)(keys)

    def with_host(keys: jax.Array) -> Any:
        return environment.reset(keys)

    assert "jit_without_host" in named(without_host)
    assert "jit_with_host" not in named(with_host)
