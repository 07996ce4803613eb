"""python -m sparse_rl.export RUN --arm 0.98-int8 --seed best --format packed c onnx --out actor/

Makes deliverable files of one trained policy and reports what they cost.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from sparse_rl.artifact.delivery import Format

_OBSERVATIONS = 10_000


def main(
    run: Annotated[Path, tyro.conf.Positional],
    arm: str,
    seed: str = "best",
    format: tuple[Format, ...] = ("packed", "c", "onnx"),
    out: Path | None = None,
    episodes: int = 10,
    compilation_cache: str = "auto",
) -> None:
    """Export one policy of a finished run.

    Args:
        run: a run directory.
        arm: which policy: a sparsity, with -int8 or -int8w if quantised, such as 0.98-int8.
        seed: a seed's number, or "best": the one with the highest final return.
        format: what to write: packed (.srl), c (a folder), onnx; for int8 arms also
            packed-integer, c-integer and onnx-integer, which have fixed activation scales.
        out: where to; by default RUN/artifacts/ARM, where the report looks for cost.json.
        episodes: played for the observations that calibrate, check and time the actor.
        compilation_cache: keeps the environment's compiled programs for the next time: auto (in
            the user's cache directory), off, or a directory.
    """
    if episodes < 1:
        raise ValueError(f"--episodes: found {episodes}; allowed: 1 or more")
    # Imported here, so that --help and a mistyped option answer at once.
    from sparse_rl import compilation_cache as kept_programs
    from sparse_rl.actor_episodes import play
    from sparse_rl.artifact import cost, reference
    from sparse_rl.artifact.delivery import prepare, write
    from sparse_rl.artifact.lowering import float32_bytes, of_seed, read_policies
    from sparse_rl.envs import make
    from sparse_rl.run import Run

    kept_programs.use(compilation_cache)
    study = Run(run)
    config, returns = study.config, study.final_returns(arm)
    number = choose_seed(seed, returns, config.seed_numbers)
    packed = study.packed(arm, number)
    graph = packed.graph
    environment = make(config.environment, evaluation=True)
    played = play(
        lambda seen: reference.act(graph, seen), environment, episodes, number, _OBSERVATIONS
    )
    delivery = prepare(graph, packed.provenance, played.observations)
    directory = out or run / "artifacts" / arm
    print(
        f"{config.environment}, arm {arm}, seed {number}: return {played.returns.mean():.6g} in "
        f"{episodes} episodes, {len(played.observations):,} observations"
    )
    sizes = {}
    for form in format:
        written = write(delivery, form, directory)
        sizes[form] = written.size
        print(
            f"  {form:<15} {written.size:>10,} bytes  {written.path}  "
            f"(actions differ by at most {written.difference:.2g})"
        )
    report = cost.measure(
        graph,
        delivery.actor,
        delivery.actor.graph,
        played.observations[:1000],
        float32_bytes(of_seed(read_policies(study.policies(arm)), number - config.first_seed)),
        sizes.get("onnx"),
    )
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / "cost.json.tmp"
    temporary.write_text(report.to_json())
    temporary.replace(directory / "cost.json")
    print(cost.describe(report))
    print(directory / "cost.json")


def choose_seed(asked: str, returns: dict[int, float], seeds: range) -> int:
    """The seed asked for, or the one with the highest final return."""
    if asked == "best":
        finite = {seed: value for seed, value in returns.items() if np.isfinite(value)}
        if not finite:
            raise ValueError("--seed: found best, and no seed has a finite return; allowed: a seed")
        return max(finite, key=lambda seed: finite[seed])
    if not asked.isdigit() or int(asked) not in seeds:
        raise ValueError(f"--seed: found {asked}; allowed: best, or {seeds[0]} to {seeds[-1]}")
    return int(asked)


if __name__ == "__main__":
    try:
        tyro.cli(main, prog="python -m sparse_rl.export")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
