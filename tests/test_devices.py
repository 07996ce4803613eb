"""How many devices are asked for and chosen."""

import os

import jax
import pytest

from sparse_rl import devices
from sparse_rl.config import ConfigError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What JAX is told, without telling it: its devices exist already."""
    told: dict[str, object] = {}
    monkeypatch.setattr(jax.config, "update", told.__setitem__)
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp")
    return told


@pytest.mark.parametrize("knows_affinity", [True, False])
def test_the_number_asked_for_or_one_per_core(
    asked: dict[str, object], monkeypatch: pytest.MonkeyPatch, knows_affinity: bool
) -> None:
    """Also on systems that cannot say which cores a process may use, as macOS."""
    if knows_affinity:
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2}, raising=False)
    else:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: 3)
    for devices_, wanted in ((4, 4), (1, 1), (0, 3)):
        devices.configure(devices_)
        assert asked["jax_num_cpu_devices"] == wanted


def test_several_devices_get_one_thread_each_and_other_flags_stay(
    asked: dict[str, object],
) -> None:
    devices.configure(1)
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=/tmp"
    for _ in range(2):
        devices.configure(2)
        assert os.environ["XLA_FLAGS"].split() == [
            "--xla_dump_to=/tmp",
            "--xla_cpu_multi_thread_eigen=false",
        ]


def test_choose() -> None:
    there = jax.devices()
    assert list(devices.choose(0)) == there
    assert list(devices.choose(1)) == there[:1]
    with pytest.raises(ConfigError, match=rf"^devices: found {len(there) + 1}; allowed: at most "):
        devices.choose(len(there) + 1)
