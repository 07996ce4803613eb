"""Torsos by name: those of the house and a user's own."""

from dataclasses import dataclass

import pytest

from sparse_rl import registry
from sparse_rl.architecture import Dense, Flatten, Normalize, Observation, Tanh, torso
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.config.interfaces import NetworkOptions


@dataclass(frozen=True)
class Options(NetworkOptions):
    torso: str
    hidden: tuple[int, ...] = (8,)
    normalize: bool = False


def test_an_unknown_torso_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"'impalla'; did you mean impala\? allowed: mlp, minatar"):
        torso(Options("impalla"), Observation((3,)))


def test_a_torso_of_one_s_own_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr(registry.NETWORKS, "_entries", dict(registry.NETWORKS._entries))

    @registry.NETWORKS.register("flat_tanh", options=Options)
    def flat_tanh(options, observation):
        return (Flatten(), Dense("only", options.hidden[0]), Tanh())

    found = torso(Options("flat_tanh", (5,)), Observation((2, 2)))
    assert found == (Flatten(), Dense("only", 5), Tanh())


def test_normalization_comes_first_in_whichever_torso():
    plain = torso(TorsoOptions("mlp", (8,)), Observation((3,)))
    assert torso(Options("mlp", (8,), True), Observation((3,))) == (Normalize("normalize"), *plain)
