"""python -m sparse_rl.render ACTOR [ACTOR ...] [--out FILE.gif] [--env NAME]: see them move."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sparse_rl import atomic_file, extras
from sparse_rl.environment_name import taken_apart

with extras.needed_by("render", __name__):
    from sparse_rl.config import program
    from sparse_rl.config.fields import Count, PositiveCount

if TYPE_CHECKING:
    from sparse_rl.playing.play import Episodes
    from sparse_rl.render.actors import Player


def main(
    actors: Annotated[tuple[str, ...], program.POSITIONAL],
    out: Path | None = None,
    env: str = "",
    seed: Count = 0,
    steps: PositiveCount = 400,
    compilation_cache: str = "auto",
    imports: tuple[str, ...] = (),
) -> None:
    """Play one episode with each actor from the same start, and show them side by side.

    Args:
        actors: exported actors (.srl), or the word "random" for random actions.
        out: a .gif; for brax also an .html, brax's viewer (one actor; it loads three.js). By
            default film.gif beside the actor, where the report of its run looks for it.
        env: the environment, such as gymnax/Breakout-MinAtar or brax/hopper?backend=spring; by
            default the one that the actors were trained in.
        seed: of the episode's start.
        steps: most steps of the episode that are shown.
        compilation_cache: keeps the environment's compiled programs for the next time: auto (in
            the user's cache directory), off, or a directory.
        imports: packages of one's own that are imported first; --import NAME adds one.
    """
    out = out or film_beside(actors)
    if out.suffix not in (".gif", ".html"):
        raise ValueError(f"--out: found {out}; allowed are names that end in .gif or .html")
    # Imported here, so that --help and a mistyped option answer at once.
    from sparse_rl import registry
    from sparse_rl.envs import make
    from sparse_rl.playing.play import play
    from sparse_rl.render.actors import player
    from sparse_rl.render.film import side_by_side, write_gif
    from sparse_rl.render.filming import frames
    from sparse_rl.render.scenes import scene
    from sparse_rl.runtime import compilation_cache as kept_programs

    registry.load(imports)
    kept_programs.use(compilation_cache)
    players = [player(actor) for actor in actors]
    name = environment_of(players, env)
    if out.suffix == ".html":
        check_viewer(name, actors, out)
    world = make(name, evaluation=True)
    view = scene(name)
    policies = [one.act(world.spec, seed) for one in players]
    played = [play(act, world, 1, seed, most_steps=steps, remember=True) for act in policies]
    if out.suffix == ".html":
        write_viewer(name, played[0], out)
    else:
        names = [Path(actor).stem for actor in actors]
        films = [frames(one.history, view, name) for one, name in zip(played, names, strict=True)]
        write_gif(side_by_side(films), out, view.frames_per_second)
    for actor, one in zip(actors, played, strict=True):
        end = "ended" if one.ended[0] else "cut off"
        print(f"{actor}: return {one.returns[0]:.4g}, {end} after {one.lengths[0]} steps")
    print(out)


def film_beside(actors: Sequence[str]) -> Path:
    """film.gif in the folder of a single actor's file."""
    from sparse_rl.render.actors import RANDOM

    if len(actors) != 1 or actors[0] == RANDOM:
        raise ValueError("--out: not given; it can be left out for one exported actor only")
    return Path(actors[0]).parent / "film.gif"


def environment_of(players: Sequence[Player], asked: str) -> str:
    """The environment asked for, or else the one that the actors name."""
    if asked:
        return asked
    named = sorted({player.environment for player in players} - {""})
    if len(named) == 1:
        return named[0]
    found = "none" if not named else " and ".join(named)
    raise ValueError(f"--env: not given, and the actors name {found}; needed is one environment")


def check_viewer(environment: str, actors: Sequence[str], out: Path) -> None:
    """Raises ValueError, one line, where brax's viewer cannot show this."""
    if taken_apart(environment).suite != "brax" or len(actors) != 1:
        raise ValueError(
            f"--out: {out} needs one actor in a brax/... environment, found {len(actors)} in "
            f"{environment}; else a .gif"
        )


def write_viewer(environment: str, played: Episodes, out: Path) -> None:
    """brax's viewer as an HTML page."""
    from sparse_rl.render.brax_scene import viewer

    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.write_text(out, viewer(environment, [moment.state for moment in played.history]))


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    program.run(main, "render", arguments)


if __name__ == "__main__":
    run()
