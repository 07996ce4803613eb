"""Names: what is refused, in one line that says what is allowed."""

import pytest

from sparse_rl.envs import make


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gymnax/Pendlum-v1", ["gymnax/Pendlum-v1", "gymnax/Pendulum-v1"]),
        ("Pendulum-v1", ["gymnax/Pendulum-v1"]),
        ("hopper", ["brax/hopper"]),
        ("bra/hopper", ["brax/hopper", "suites:"]),
        ("brax/halfcheeta", ["brax/halfcheetah"]),
        ("brax/hopper?backend=magic", ["backend", "magic", "spring", "mjx"]),
        ("brax/swimmer?backend=spring", ["backend", "spring", "generalized"]),
        ("brax/hopper?colour=red", ["colour", "backend", "time_limit"]),
        ("brax/hopper?backend", ["backend", "key=value"]),
        ("brax/hopper?time_limit=0", ["time_limit", "at least 1"]),
        ("gymnax/Pendulum-v1?sticky=0.1", ["sticky", "time_limit"]),
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


def test_the_same_name_is_the_same_environment() -> None:
    """So a jitted function that closes over it is compiled once."""
    assert make("gymnax/CartPole-v1") is make("gymnax/CartPole-v1")
    assert make("probe/time-out", evaluation=True).spec == make("probe/time-out").spec
