import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.synthetic import minatar_q_network, mlp_actor
from sparse_rl.artifact.packed import PackedActor, Provenance, save
from sparse_rl.config import program
from sparse_rl.envs import make
from sparse_rl.render.__main__ import environment_of, film_beside, main
from sparse_rl.render.actors import Player, player
from tests import own_package


@pytest.fixture
def pendulum_actor(tmp_path: Path) -> str:
    file = tmp_path / "pendulum.srl"
    graph = mlp_actor((3, 16, 1), sparsity=0.5)
    save(file, PackedActor(graph, Provenance(environment="gymnax/Pendulum-v1", variant="0.5-int8")))
    return str(file)


def test_film_of_an_actor_beside_random_actions(
    pendulum_actor: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "film.gif"
    main((pendulum_actor, "random"), out, steps=10)
    with Image.open(out) as gif:
        assert getattr(gif, "n_frames", 1) == 11
        assert gif.width == 2 * 320 + 8
    printed = capsys.readouterr().out
    assert f"{pendulum_actor}: return " in printed and "cut off after 10 steps" in printed


def test_an_actor_of_another_world_is_refused(pendulum_actor: str) -> None:
    spec = make("gymnax/CartPole-v1").spec
    with pytest.raises(ValueError, match=r"gives float32 \(4,\), the actor reads float32 \(3,\)"):
        player(pendulum_actor).act(spec, seed=0)


def test_another_number_of_actions_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "breakout.srl"
    save(file, PackedActor(minatar_q_network()))
    spec = make("gymnax/Breakout-MinAtar").spec
    with pytest.raises(ValueError, match="takes one of 3 actions, the actor has 6 outputs"):
        player(str(file)).act(spec, seed=0)


def test_film_lies_beside_a_single_actor() -> None:
    assert film_beside(["runs/x/artifacts/0/actor.srl"]) == Path("runs/x/artifacts/0/film.gif")
    for actors in (["random"], ["a.srl", "b.srl"]):
        with pytest.raises(ValueError, match="--out: not given"):
            film_beside(actors)


def test_environment_is_the_one_the_actors_name() -> None:
    actors = [Player("a", "gymnax/Pendulum-v1", None), Player("random", "", None)]
    assert environment_of(actors, "") == "gymnax/Pendulum-v1"
    assert environment_of(actors, "brax/hopper") == "brax/hopper"
    with pytest.raises(ValueError, match="the actors name none"):
        environment_of(actors[1:], "")


def test_errors_are_one_line_and_status_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sparse_rl.render", "nowhere.srl", "--out"]
    done = subprocess.run(
        [*command, str(tmp_path / "x.gif")], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 2
    assert done.stderr.strip().startswith("error: nowhere.srl: no such file")
    assert len(done.stderr.strip().splitlines()) == 1


def test_environments_of_a_package_of_ones_own_are_found_and_need_a_drawing(tmp_path: Path) -> None:
    with own_package.written(tmp_path, "outside_render") as environment:
        words = ["random", "--env", environment, "--import", "outside_render", "--out", "x.gif"]
        with pytest.raises(ValueError, match=f"{environment}: there is no drawing of it"):
            program.call(main, words)


def test_braxs_viewer_is_of_the_environment_that_the_actor_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("brax")
    from sparse_rl.render import brax_scene

    asked: list[str] = []
    monkeypatch.setattr(brax_scene, "viewer", lambda name, states: asked.append(name) or "<html>")
    file, out = tmp_path / "actor.srl", tmp_path / "x.html"
    named = Provenance(environment="brax/inverted_pendulum")
    save(file, PackedActor(mlp_actor((4, 8, 1)), named))
    main((str(file),), out, steps=1)
    assert asked == ["brax/inverted_pendulum"] and out.read_text() == "<html>"


def test_what_the_viewer_cannot_show_is_refused_before_anybody_plays(
    pendulum_actor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparse_rl.playing.play.play", lambda *_, **__: pytest.fail("played"))
    with pytest.raises(
        ValueError, match=r"one actor in a brax/\.\.\. environment, found 1 in gymnax"
    ):
        main((pendulum_actor,), tmp_path / "x.html")
