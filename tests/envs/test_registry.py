"""Names: what is refused, in one line that says what is allowed."""

from pathlib import Path

import pytest

from sparse_rl import registry
from sparse_rl.envs import make
from sparse_rl.envs.options import Options


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gymnax/Pendlum-v1", ["gymnax/Pendlum-v1", "gymnax/Pendulum-v1"]),
        ("Pendulum-v1", ["gymnax/Pendulum-v1"]),
        ("hopper", ["brax/hopper"]),
        ("bra/hopper", ["'bra/hopper' is unknown", "brax/hopper", "? (suites:"]),
        ("brax/halfcheeta", ["brax/halfcheetah"]),
        ("brax/hopper?backend=magic", ["backend", "magic", "spring", "mjx"]),
        ("brax/swimmer?backend=spring", ["backend", "spring", "generalized"]),
        ("brax/hopper?colour=red", ["colour", "backend", "time_limit"]),
        ("brax/hopper?backend", ["backend", "key=value"]),
        ("brax/hopper?time_limit=0", ["time_limit", "at least 1"]),
        ("gymnax/Pendulum-v1?sticky=0.1", ["sticky", "time_limit"]),
        ("brax/hopper?time_limit=99999999999999", ["time_limit", "at most 2147483647"]),
        ("brax/foo:bar", ["brax/foo:bar", "is unknown"]),
        ("probe/foo:bar", ["probe/foo:bar", "is unknown"]),
        ("synthetic/foo:bar", ["synthetic/foo:bar", "is unknown"]),
        ("gymnax/foo:bar", ["gymnax/foo:bar", "is unknown"]),
        ("gymnax/", ["gymnax/", "is unknown"]),
        ("gymnax/Breakout-MinAtar?sticky=1.5", ["sticky", "1.5", "0 to 1"]),
        ("gymnax/Breakout-MinAtar?sticky=much", ["sticky", "much"]),
        ("gymnax/Breakout-MinAtar?sticky=0.1&sticky=0.2", ["sticky", "twice"]),
    ],
)
def test_refusals(name: str, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        make(name)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("name", "package", "words"),
    [
        ("atari/x:y", "ale_py", "is unknown"),
        ("mujoco/a:b-v4", "gymnasium", "is unknown"),
        ("gymnasium/./x:Y", "gymnasium", "is unknown"),
        ("gymnasium/..x:Y", "gymnasium", "is unknown"),
        ("gymnasium/:Y", "gymnasium", "is unknown"),
        ("gymnasium/no_such_package:Y-v0", "gymnasium", "No module named 'no_such_package'"),
        ("gymnasium/json:Y-v0", "gymnasium", "Environment `Y` doesn't exist"),
        ("gymnasium/broken_environments:Y-v0", "gymnasium", "cannot be made: RuntimeError: no key"),
    ],
)
def test_names_that_only_an_extra_could_know(
    name: str, package: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    (tmp_path / "broken_environments.py").write_text("raise RuntimeError('no\\n key')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError) as caught:
        make(name)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_suite_of_ones_own_is_made_and_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    made = object()

    class Suite:
        @staticmethod
        def names(suite: str) -> list[str]:
            return ["walk"]

        @staticmethod
        def make(full_name: str, identifier: str, options: Options, evaluation: bool) -> object:
            return made, identifier, options.positive("cells", 7), evaluation

    registry.load()
    monkeypatch.setattr(registry.SUITES, "_entries", dict(registry.SUITES._entries))
    registry.SUITES.register("corridor")(Suite)
    assert make("corridor/walk?cells=5", evaluation=True) == (made, "walk", 5, True)
    with pytest.raises(ValueError, match=r"is unknown: did you mean corridor/walk\?"):
        make("corridor/wlk")


def test_the_same_name_is_the_same_environment() -> None:
    """So a jitted function that closes over it is compiled once."""
    assert make("gymnax/CartPole-v1") is make("gymnax/CartPole-v1")
    assert make("probe/time-out", evaluation=True).spec == make("probe/time-out").spec
