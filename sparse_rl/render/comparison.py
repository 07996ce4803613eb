"""The film that every run makes of itself: dense and the sparsest policy without loss."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparse_rl import atomic_file
from sparse_rl.artifact.runtime import Actor
from sparse_rl.envs import make
from sparse_rl.playing.play import play
from sparse_rl.render.actors import Player
from sparse_rl.render.film import side_by_side, write_gif
from sparse_rl.render.filming import frames
from sparse_rl.render.scenes import scene
from sparse_rl.report.films import median_seed, shown_variants
from sparse_rl.runs.layout import ABOUT_FILM, FILM
from sparse_rl.runs.run import Run
from sparse_rl.summary.final_table import OF_DENSE, final_table

MOST_FRAMES = 200
"""About seven seconds: enough to see a policy, and a film that a page can hold."""
MOST_BYTES = 900_000
START = 0
"""Of the one episode, which is the same for every policy."""


def film(run: Run) -> str:
    """Writes film.gif and film.json into a finished run's directory; says in one line what it did.

    Where there can be no film, film.json says why; the run is none the worse for it.
    """
    try:
        told = _film(run)
    except Exception as error:  # a package or a drawing that is not there, or whatever else
        reason = " ".join(str(error).split()) or type(error).__name__
        (run.path / FILM).unlink(missing_ok=True)
        _write(run.path / ABOUT_FILM, {"reason": reason})
        return f"no film: {reason}"
    _write(run.path / ABOUT_FILM, told)
    return f"film: {run.path / FILM}"


def _film(run: Run) -> dict[str, Any]:
    name = run.config.environment
    table = final_table(run.metrics)
    rows = {str(row["variant"]): row for row in table.to_dict("records")}
    variants = shown_variants(table)
    scene(name)  # refused at once where it cannot be drawn
    if not variants:
        raise ValueError("no variant has a seed that did not fail")
    seed = median_seed(run.metrics, variants)
    world = make(name, evaluation=True)
    actors = {
        "dense" if rows[variant]["verdict"] == OF_DENSE else variant: Actor(
            run.packed(variant, seed, world.spec), "numpy"
        )
        for variant in variants
    }
    lengths = beside(actors, name, run.path / FILM)
    shown = [
        {
            "variant": variant,
            "sparsity": float(rows[variant]["target_sparsity"]),
            "verdict": str(rows[variant]["verdict"]),
            "return": run.final_returns(variant)[seed],
            "steps": length,
        }
        for variant, length in zip(variants, lengths, strict=True)
    ]
    return {"seed": seed, "seeds": int(rows[variants[-1]]["seeds"]), "variants": shown}


def beside(actors: Mapping[str, Actor], environment: str, file: Path) -> list[int]:
    """Writes a film of actors side by side, by their captions, from one start, into `file`.

    Returns how many steps each has played. Raises ValueError where the environment cannot be drawn.
    """
    view, world = scene(environment), make(environment, evaluation=True)
    films, lengths = [], []
    for caption, actor in actors.items():
        act = Player(caption, environment, actor).act(world.spec, START)
        most = MOST_FRAMES * view.stride
        played = play(act, world, 1, START, most_steps=most, remember=True)
        films.append(frames(played.history, view, caption))
        lengths.append(int(played.lengths[0]))
    pictures, rate = side_by_side(films), view.frames_per_second
    write_gif(pictures, file, rate)
    while file.stat().st_size > MOST_BYTES and len(pictures) > 2:
        pictures = [*pictures[:-1:2], pictures[-1]]
        rate /= 2
        write_gif(pictures, file, rate)
    return lengths


def _write(file: Path, told: dict[str, Any]) -> None:
    atomic_file.write_text(file, json.dumps(told, indent=1) + "\n")
