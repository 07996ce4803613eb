"""python -m sparse_rl.export RUN --arm 0.98-int8 --seed best --format packed c onnx --out actor/

Makes deliverable files of trained policies, one of each variant, and reports what they cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sparse_rl import atomic_file, extras

with extras.needed_by("export", __name__):
    import numpy as np
    from jaxtyping import Float

    from sparse_rl.artifact.formats import CProgram, Format, Target, installed
    from sparse_rl.config import program
    from sparse_rl.config.fields import Count, Episodes, NonNegative
    from sparse_rl.runs.layout import ARTIFACTS
    from sparse_rl.runs.recorded_return import LIMIT


if TYPE_CHECKING:
    from sparse_rl.envs import VectorEnv
    from sparse_rl.runs.run import Run

ALL, BEST = "all", "best"
_OBSERVATIONS = 10_000


def main(
    run: Annotated[Path, program.POSITIONAL],
    arm: tuple[str, ...] = (),
    seed: str = "best",
    format: tuple[Format, ...] = ("packed", "c", "onnx"),
    out: Path | None = None,
    episodes: Episodes = 10,
    target: Target | None = None,
    prefix: str = "srl",
    max_bytes: Count = 0,
    max_us: NonNegative = 0.0,
    compilation_cache: str = "auto",
) -> None:
    """Export one policy of each variant that is named, from a finished run.

    With --max-bytes or --max-us: of the variant with the best return that fits.

    Args:
        run: a run directory.
        arm: which variants, by the names that the final table has, such as 0 0.98-int8; or all,
            which is what a limit chooses from if nothing is said.
        seed: a seed's number, or "best": the one with the highest final return.
        format: what to write: packed (.srl), c (a folder), onnx; packages of the C: cmake, arduino,
            esp-idf; rust (a crate); qonnx, of integer variants, for tools for FPGAs.
        out: where to; with several variants, or all, each has a folder of its own in it. By default
            RUN/artifacts/VARIANT, where the report looks for cost.json.
        episodes: played for the observations that check and time the actor.
        target: the machine for which C is generated: host (a computer: fast) or microcontroller
            (small code, little stack); by default host, and microcontroller for arduino and
            esp-idf.
        prefix: what all names in C and Rust begin with, so that several actors can be linked into
            one program: lunar makes lunar_act, LUNAR_OBSERVATION_SIZE, lunar_actor.c.
        max_bytes: the packed file's size at most; 0 for no limit.
        max_us: microseconds for an action at most, in C on this machine; 0 for no limit.
        compilation_cache: keeps the environment's compiled programs for the next time: auto (in
            the user's cache directory), off, or a directory.
    """
    program_in_c = CProgram(target, prefix)
    # Imported here, so that --help and a mistyped option answer at once.
    from sparse_rl.envs import make
    from sparse_rl.runs.run import Run
    from sparse_rl.runtime import compilation_cache as kept_programs
    from sparse_rl.selection.limits import Limits, best_within

    kept_programs.use(compilation_cache)
    study = Run(run)
    folder = out or run / ARTIFACTS
    atomic_file.check_folder(folder)  # before minutes of playing
    formats = installed(format)
    limits = Limits(max_bytes, max_us)
    arm = arm or ((ALL,) if limits.given else ())
    returns = {name: study.final_returns(name) for name in choose_variants(arm, study.finished)}
    if ALL in arm:
        for name in [name for name in returns if not np.isfinite([*returns[name].values()]).any()]:
            print(f"{name} is skipped: no seed has a finite return")
            del returns[name]
    alone = len(returns) == 1 and (ALL not in arm or limits.given)
    seeds = study.config.seed_numbers
    chosen = {name: choose_seed(seed, name, found, seeds) for name, found in returns.items()}
    environment = make(study.config.environment, evaluation=True)
    if limits.given:
        fitting = best_within(study, chosen, environment, limits)
        chosen, alone = {fitting: chosen[fitting]}, True
    places = {name: folder if out is not None and alone else folder / name for name in chosen}
    for directory in places.values():
        atomic_file.check_folder(directory)
    for name, number in chosen.items():
        directory, best = places[name], seed == BEST
        deliver(study, name, number, best, environment, episodes, formats, directory, program_in_c)


def deliver(
    study: Run,
    variant: str,
    seed: int,
    best: bool,
    environment: VectorEnv,
    episodes: int,
    formats: Sequence[Format],
    directory: Path,
    program_in_c: CProgram,
) -> None:
    """Writes one policy in its formats, its card and cost.json; prints what they are.

    `best` says that its seed was chosen as the best. All files are written or, where anything is
    wrong, none. Files of other names stay in `directory`, those of an earlier export too, such as
    the C of another prefix; the card lists what was written this time.

    Raises ValueError, one line, where the policy is damaged, or its episodes contradict the return
    that the run recorded for it; OSError.
    """
    from sparse_rl.artifact import card, cost, reference
    from sparse_rl.artifact.binding import float32_bytes
    from sparse_rl.artifact.delivery import prepare, write
    from sparse_rl.playing.play import play
    from sparse_rl.runs.card import card_of

    packed = study.packed(variant, seed, environment.spec)
    graph = packed.graph
    played = play(
        lambda seen: reference.act(graph, seen), environment, episodes, seed, keep=_OBSERVATIONS
    )
    check_return(study, variant, seed, played.returns)
    worth = card_of(study, variant, seed, best, played.returns)
    delivery = prepare(graph, packed.provenance, played.observations, worth)
    print(
        f"{study.config.environment}, {variant}, seed {seed}: return {played.returns.mean():.6g} "
        f"in {episodes} episodes, {len(played.observations):,} observations"
    )
    with atomic_file.replacing_contents(directory) as part:
        written = [write(delivery, form, part, program_in_c) for form in formats]
        sizes = {one.format: one.size for one in written}
        report = cost.measure(
            graph,
            delivery.actor,
            played.observations[:1000],
            float32_bytes(study.trained(variant, seed)),
            sizes.get("onnx"),
        )
        files = [file for file in part.rglob("*") if file.is_file()]
        atomic_file.write_text(part / card.FILE, worth.to_json(files, part))
        atomic_file.write_text(part / "cost.json", report.to_json())
    for one in written:
        checked = (
            f"not run: {one.not_run}"
            if one.difference is None
            else f"actions differ by at most {one.difference:.2g}"
        )
        print(f"  {one.format:<15} {one.size:>10,} bytes  {directory / one.path.name}  ({checked})")
    print(cost.describe(report))
    for line in worth.lines():
        print(line)
    print(f"{directory / card.FILE}, {directory / 'cost.json'}")


def check_return(
    study: Run, variant: str, seed: int, returns: Float[np.ndarray, " episodes"]
) -> None:
    """Raises ValueError where the actor's episodes contradict what the run says of the policy.

    The test is that of `RecordedReturn.contradicts`.
    """
    recorded = study.recorded_return(variant, seed)
    if recorded.contradicts(returns):
        raise ValueError(
            f"{study.path}: {variant}, seed {seed}: return {returns.mean():.6g} in {len(returns)} "
            f"episodes against {recorded.mean:.6g} as recorded, {recorded.distance(returns):.0f} "
            f"standard errors apart: the policy or its environment has changed; "
            f"allowed: at most {LIMIT:g}"
        )


def choose_variants(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """The variants asked for, each once; "all" stands for those that the run has."""
    if not asked:
        raise ValueError(f"--arm: found none; allowed: {ALL}, or {', '.join(known)}")
    named = [name for word in asked for name in (known if word == ALL else [word])]
    for name in named:
        if name not in known:
            allowed = ", ".join([ALL, *known]) if known else "none, the run is not finished"
            raise ValueError(f"--arm: found {name}; allowed: {allowed}")
    return list(dict.fromkeys(named))


def choose_seed(asked: str, variant: str, returns: dict[int, float], seeds: range) -> int:
    """The seed asked for, or the one with the highest final return of the variant."""
    from sparse_rl.runs.run import seed_named

    if asked == BEST:
        finite = {seed: value for seed, value in returns.items() if np.isfinite(value)}
        if not finite:
            raise ValueError(
                f"--seed: found best, and no seed of {variant} has a finite return; allowed: a seed"
            )
        return max(finite, key=lambda seed: finite[seed])
    return seed_named(asked, BEST, seeds)


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    program.run(main, "export", arguments)


if __name__ == "__main__":
    run()
