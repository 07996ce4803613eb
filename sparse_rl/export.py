"""python -m sparse_rl.export RUN --arm 0.98-int8 --seed best --format packed c onnx --out actor/

Makes deliverable files of trained policies, one of each arm, and reports what they cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from sparse_rl import whole_file
from sparse_rl.artifact.delivery import Format
from sparse_rl.config import program
from sparse_rl.config.fields import Episodes

if TYPE_CHECKING:
    from sparse_rl.envs import VectorEnv
    from sparse_rl.study.run import Run

ALL = "all"
_OBSERVATIONS = 10_000


def main(
    run: Annotated[Path, program.POSITIONAL],
    arm: tuple[str, ...],
    seed: str = "best",
    format: tuple[Format, ...] = ("packed", "c", "onnx"),
    out: Path | None = None,
    episodes: Episodes = 10,
    compilation_cache: str = "auto",
) -> None:
    """Export one policy of each arm that is named, from a finished run.

    Args:
        run: a run directory.
        arm: which policies: sparsities, with -int8 or -int8w if quantised, such as 0 0.98-int8;
            or all.
        seed: a seed's number, or "best": the one with the highest final return.
        format: what to write: packed (.srl), c (a folder), onnx; for int8 arms also
            packed-integer, c-integer and onnx-integer, which have fixed activation scales.
        out: where to; with several arms, or all, each has a folder of its own in it. By default
            RUN/artifacts/ARM, where the report looks for cost.json.
        episodes: played for the observations that calibrate, check and time the actor.
        compilation_cache: keeps the environment's compiled programs for the next time: auto (in
            the user's cache directory), off, or a directory.
    """
    if episodes < 1:
        raise ValueError(f"--episodes: found {episodes}; allowed: 1 or more")
    # Imported here, so that --help and a mistyped option answer at once.
    from sparse_rl.envs import make
    from sparse_rl.machine import compilation_cache as kept_programs
    from sparse_rl.study.run import Run

    kept_programs.use(compilation_cache)
    study = Run(run)
    returns = {name: study.final_returns(name) for name in choose_arms(arm, study.finished)}
    if ALL in arm:
        for name in [name for name in returns if not np.isfinite([*returns[name].values()]).any()]:
            print(f"arm {name} is left out: no seed has a finite return")
            del returns[name]
    alone = len(returns) == 1 and ALL not in arm
    seeds = study.config.seed_numbers
    chosen = {name: choose_seed(seed, name, found, seeds) for name, found in returns.items()}
    environment = make(study.config.environment, evaluation=True)
    for name, number in chosen.items():
        folder = out or run / "artifacts"
        directory = folder if out is not None and alone else folder / name
        deliver(study, name, number, environment, episodes, format, directory)


def deliver(
    study: Run,
    arm: str,
    seed: int,
    environment: VectorEnv,
    episodes: int,
    formats: Sequence[Format],
    directory: Path,
) -> None:
    """Writes one policy in its formats and cost.json into `directory`, and prints what they are."""
    from sparse_rl.artifact import cost, reference
    from sparse_rl.artifact.binding import float32_bytes
    from sparse_rl.artifact.delivery import prepare, write
    from sparse_rl.study.actor_episodes import play

    packed = study.packed(arm, seed)
    graph = packed.graph
    played = play(
        lambda seen: reference.act(graph, seen), environment, episodes, seed, _OBSERVATIONS
    )
    delivery = prepare(graph, packed.provenance, played.observations)
    print(
        f"{study.config.environment}, arm {arm}, seed {seed}: return {played.returns.mean():.6g} "
        f"in {episodes} episodes, {len(played.observations):,} observations"
    )
    sizes = {}
    for form in formats:
        written = write(delivery, form, directory)
        sizes[form] = written.size
        print(
            f"  {form:<15} {written.size:>10,} bytes  {written.path}  "
            + (
                "(not run: no C compiler found)"
                if written.difference is None
                else f"(actions differ by at most {written.difference:.2g})"
            )
        )
    trained = study.trained(arm, seed)
    report = cost.measure(
        graph,
        delivery.actor,
        delivery.actor.graph,
        played.observations[:1000],
        float32_bytes(trained),
        sizes.get("onnx"),
    )
    directory.mkdir(parents=True, exist_ok=True)
    whole_file.write_text(directory / "cost.json", report.to_json())
    print(cost.describe(report))
    print(directory / "cost.json", flush=True)


def choose_arms(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """The arms asked for, each once; "all" stands for those that the run has."""
    if not asked:
        raise ValueError(f"--arm: found none; allowed: {ALL}, or {', '.join(known)}")
    named = [name for word in asked for name in (known if word == ALL else [word])]
    for name in named:
        if name not in known:
            allowed = ", ".join([ALL, *known]) if known else "none, the run is not finished"
            raise ValueError(f"--arm: found {name}; allowed: {allowed}")
    return list(dict.fromkeys(named))


def choose_seed(asked: str, arm: str, returns: dict[int, float], seeds: range) -> int:
    """The seed asked for, or the one with the highest final return of the arm."""
    if asked == "best":
        finite = {seed: value for seed, value in returns.items() if np.isfinite(value)}
        if not finite:
            raise ValueError(
                f"--seed: found best, and no seed of arm {arm} has a finite return; allowed: a seed"
            )
        return max(finite, key=lambda seed: finite[seed])
    if not asked.isdigit() or int(asked) not in seeds:
        raise ValueError(f"--seed: found {asked}; allowed: best, or {seeds[0]} to {seeds[-1]}")
    return int(asked)


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    program.run(main, "export", arguments)


if __name__ == "__main__":
    run()
