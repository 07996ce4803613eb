"""Calibrated, judged and confirmed from different starts; each number is a policy played alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import synthetic
from sparse_rl.artifact.graph import layers
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.artifact.weights import StaticScale
from sparse_rl.compression.steps import parse_chain
from sparse_rl.envs import make
from sparse_rl.playing.play import play
from sparse_rl.selection import compression
from sparse_rl.selection.candidates import named
from sparse_rl.selection.compression import Compression, Judged
from sparse_rl.selection.making import Folder
from sparse_rl.selection.originals import Originals

WORLD = make("gymnax/Pendulum-v1?time_limit=20", evaluation=True)
EPISODES = 4


def quiet(*_: object) -> None:
    pass


def begun(chain: str, folder: Path) -> Compression:
    graphs = tuple(synthetic.mlp_actor((3, 8, 1), 0.0, "float32", seed) for seed in range(3))
    originals = Originals(graphs, ("a", "b", "c"), (0, 1, 2), WORLD, "made up", "made up")
    chains = named([parse_chain(chain, {})])
    begun = Compression(originals, chains, Folder(folder), EPISODES, 1e6, quiet, quiet)
    begun.open({})
    return begun


def alone(actors: Sequence[PackedActor], seed: int) -> np.ndarray:
    """The mean return of each policy."""
    played = [play(compression.acting(actor), WORLD, EPISODES, seed) for actor in actors]
    return np.array([one.returns.mean() for one in played])


def at_full_power(seen: np.ndarray) -> np.ndarray:
    """A stand-in for acting at random, worth less than the originals."""
    return np.full((len(seen), 1), 2.0, np.float32)


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Compression, Judged]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "find_compiler", lambda: None)  # nothing is timed here
        found = begun("prune:0.5", tmp_path_factory.mktemp("compression") / "small")
        return found, found.judge(found.make())


def test_the_chosen_one_is_confirmed_from_starts_that_chose_nothing(
    pruned: tuple[Compression, Judged],
) -> None:
    made, judged = pruned
    original, own = (
        alone(made.folder.actors(name, made.names), compression.FRESH)
        for name in ("original", "prune0.5")
    )
    assert judged.chosen == "prune0.5"
    assert isinstance(judged.confirmed, pd.DataFrame)
    (found,) = judged.confirmed.to_dict("records")
    assert found["original"] == pytest.approx(original.mean(), rel=1e-5)
    assert found["return"] == pytest.approx(own.mean(), rel=1e-5)
    assert found["difference"] == pytest.approx((own - original).mean(), rel=1e-3)
    assert abs(found["difference"]) > 0.1, "which is which must be seen"
    assert judged.fresh is not None and judged.fresh.shape == (len(own), EPISODES)
    np.testing.assert_allclose(judged.fresh.mean(axis=1), own, rtol=1e-5)
    assert found["margin"] == made.margin


def test_each_world_has_the_margin_of_what_the_originals_are_worth_in_it(
    pruned: tuple[Compression, Judged], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = pruned
    packs = made.folder.actors("original", made.names)
    short = make("gymnax/Pendulum-v1?time_limit=5", evaluation=True)
    worlds = {"as it is": WORLD, "short": short}
    monkeypatch.setattr(compression, "random_policy", lambda spec, seed: at_full_power)
    found, _ = replace(made, margin=None).confirm(packs, packs, worlds)
    assert found["original"][1] > found["original"][0] + 50
    for (_, row), world in zip(found.iterrows(), worlds.values(), strict=True):
        random = play(at_full_power, world, EPISODES, compression.FRESH).returns.mean()
        assert row.margin == pytest.approx(0.05 * (row.original - random), rel=1e-4)
        assert row.margin > 0


def test_with_a_margin_nothing_acts_at_random_beside_the_chosen_one(
    pruned: tuple[Compression, Judged], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = pruned
    played: list[int] = []

    def counted(policies: Sequence[object], *_: object) -> np.ndarray:
        played.append(len(policies))
        return np.zeros((len(policies), EPISODES))

    monkeypatch.setattr(compression.judgement, "judge", counted)
    packs = made.folder.actors("original", made.names)
    found, fresh = made.confirm(packs, packs, {"as it is": WORLD})
    assert played == [2 * len(packs)]
    assert found["margin"][0] == made.margin and fresh.shape == (len(packs), EPISODES)


def test_nothing_is_compared_with_an_original_that_fails(
    pruned: tuple[Compression, Judged], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, judged = pruned
    count = len(made.names)
    broken = np.concatenate([judged.returns["original"], judged.returns["prune0.5"]])
    broken[count - 1, 1] = np.nan
    monkeypatch.setattr(compression.judgement, "judge", lambda *_: broken)
    with pytest.raises(ValueError, match=f"^{made.names[-1]}: an original .* in 1 of {EPISODES} "):
        made.judge({})


def test_candidates_are_judged_from_the_first_starts(pruned: tuple[Compression, Judged]) -> None:
    made, judged = pruned
    for name, returns in judged.returns.items():
        wanted = alone(made.folder.actors(name, made.names), compression.STARTS)
        np.testing.assert_allclose(returns.mean(axis=1), wanted, rtol=1e-5)


def test_scales_are_found_on_starts_that_judge_nothing(tmp_path: Path) -> None:
    """Otherwise a candidate would be judged by the episodes that it was made for."""
    made = begun("int8_static", tmp_path / "small")
    made.make()
    tops: dict[int, list[float]] = {}
    for seed in (0, compression.STARTS, compression.FRESH):
        tops[seed] = []
        for graph in made.originals.graphs:
            act = compression.acting(PackedActor(graph))
            seen = play(act, WORLD, EPISODES, seed, keep=1_000).observations
            first = next(layers(graph.operations))
            hidden = np.maximum(seen @ first.weights.values + first.bias, 0)
            tops[seed].append(float(hidden.max()))
    found = []
    for actor in made.folder.actors("int8_static", made.names):
        *_, last = layers(actor.graph.operations)
        scale = last.input_scale
        assert isinstance(scale, StaticScale)
        found.append(127 * scale.scale)
    np.testing.assert_allclose(found, tops.pop(0), rtol=1e-4)
    for others in tops.values():
        assert not np.isclose(found, others, rtol=1e-2).all()
