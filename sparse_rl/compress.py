"""python -m sparse_rl.compress SOURCE ...: compress what is trained already, and deliver it.

python -m sparse_rl.compress runs/x
python -m sparse_rl.compress model.zip --normalizer vecnormalize.pkl --env mujoco/Hopper-v4
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from sparse_rl import extras

with extras.needed_by("compress", __name__):
    from pydantic import Field

    from sparse_rl.artifact.formats import CProgram, Format, Target, installed
    from sparse_rl.config import program
    from sparse_rl.config.fields import Count, Episodes, NonNegative, PositiveCount, Sparsity

if TYPE_CHECKING:
    from sparse_rl.compression.steps import Chain, Common
    from sparse_rl.envs import VectorEnv
    from sparse_rl.selection.disturbances import Disturbance

METHODS = ("distil", "narrow")
"""What is done where neither methods nor chains are named."""
LEVELS, ARITHMETIC = (0.9, 0.95, 0.98), ("float32", "int8")
"""Of what the methods make."""


def main(
    sources: Annotated[tuple[Path, ...], program.POSITIONAL],
    env: str = "",
    normalizer: Path | None = None,
    actions: Literal["", "squash", "clip", "argmax"] = "",
    arm: str = "0",
    methods: tuple[str, ...] = (),
    levels: Annotated[tuple[Sparsity, ...], Field(min_length=1)] = LEVELS,
    arithmetic: Annotated[tuple[str, ...], Field(min_length=1)] = ARITHMETIC,
    chain: tuple[str, ...] = (),
    updates: PositiveCount = 20_000,
    episodes: Episodes = 100,
    margin: NonNegative | None = None,
    disturbances: tuple[str, ...] = (),
    format: tuple[Format, ...] = ("packed", "c", "onnx"),
    target: Target | None = None,
    prefix: str = "srl",
    out: Path | None = None,
    devices: Count = 0,
    compilation_cache: str = "auto",
    imports: tuple[str, ...] = (),
) -> Any:
    """Compress policies that are trained, and deliver the smallest that is not worse.

    Args:
        sources: a run directory, or files of policies, each a seed: Stable-Baselines3's zip, a
            torch state dict, ONNX, brax's parameters, or a packed actor (.srl).
        env: the environment, such as gymnasium/LunarLander-v3; by default that of the run or file.
        normalizer: VecNormalize's pickle, whose statistics of observations become a part of the
            actor.
        actions: how a file's outputs become actions, where it does not say it itself: squash (by
            tanh), clip, or argmax.
        arm: of a run: the variant that is compressed.
        methods: distil (sparse policies that learn from the original), narrow (units that go, then
            distil), prune, units, low_rank; by default distil and narrow, or none beside --chain.
        levels: of the methods: shares of the weights, units or ranks that go.
        arithmetic: of the methods: float32; int8, int8w and integer (trained by distil, otherwise
            not); int8_static, int4w.
        chain: ways of one's own, PASS:LEVEL+PASS+..., such as units:0.5+distil:0.9+int8_static.
        updates: gradient steps of each distillation.
        episodes: by which every candidate is judged, and the chosen one again.
        margin: how much less return is no loss; by default 5 % of the gain over acting at random.
        disturbances: rougher worlds in which the chosen one plays beside the original: noise:0.1
            (a tenth of each observed quantity's own deviation), delay:2 (steps until an action
            takes effect), or an option of the environment such as mass:1.2; joined by +.
        format: of what is delivered: packed (.srl), c (a folder), onnx; packages of the C: cmake,
            arduino, esp-idf; rust (a crate); qonnx, of integer arithmetic, for tools for FPGAs.
        target: the machine for which C is generated: host (a computer: fast) or microcontroller
            (small code, little stack); by default host, and microcontroller for arduino and
            esp-idf.
        prefix: what all names in C and Rust begin with, so that several actors can be linked into
            one program: lunar makes lunar_act, LUNAR_OBSERVATION_SIZE, lunar_actor.c.
        out: where to; by default RUN/compressed, or a folder beside the file.
        devices: that distillation uses; 0 is one for every core.
        compilation_cache: keeps compiled programs for the next time: auto (in the user's cache
            directory), off, or a directory.
        imports: packages of one's own that are imported first; --import NAME adds one.
    """
    program_in_c, formats = CProgram(target, prefix), installed(format)
    # What it returns is a `Judged`, for Python. Imported here, so that --help answers at once.
    from sparse_rl import registry
    from sparse_rl.selection.candidates import grid, named

    registry.load(imports)  # before --chain is read: passes may be theirs
    common = {"distil": {"updates": updates}}
    chosen = methods or (() if chain else METHODS)
    if not chosen:
        check_alone(levels, arithmetic)
    chains: list[Chain] = grid(chosen, levels, arithmetic, common) if chosen else []
    chains += own_chains(chain, common)
    # Only now, when the words are understood, JAX and what needs it.
    from sparse_rl.runtime import compilation_cache as kept_programs
    from sparse_rl.runtime import devices as machine

    kept_programs.use(compilation_cache)
    machine.configure(devices)
    from sparse_rl.console import console
    from sparse_rl.report import compression_page
    from sparse_rl.selection.compression import Compression, folder_for
    from sparse_rl.selection.making import Folder
    from sparse_rl.selection.originals import read
    from sparse_rl.selection.progress import Bar
    from sparse_rl.selection.result import deliver, show

    shown = console()
    originals = read(sources, normalizer, env, arm, actions)
    worlds = rougher_worlds(disturbances, originals.environment)
    folder = Folder(folder_for(out, sources[0]))
    bar = Bar(shown)
    compression = Compression(
        originals, named(chains), folder, episodes, margin, bar.say, bar.told, worlds
    )
    compression.open({"arm": arm, "updates": updates})
    bar.say(f"{originals.environment.spec.name}: {originals.origin}")
    bar.say(f"{len(compression.chains)} candidates; results in {folder.path}")
    with machine.exact_products():
        seen = compression.make()
        judged = compression.judge(seen)
    compression.write(judged)
    shown.print()
    shown.print(compression_page.terminal_table(judged.table))
    shown.print()
    if judged.confirmed is not None:
        shown.print(compression_page.terminal_worlds(judged.confirmed, judged.chosen))
        shown.print()
    for line in deliver(compression, judged, seen, formats, program_in_c):
        bar.say(line)
    bar.say(f"report: {show(compression, judged)}")
    return judged


def check_alone(levels: Sequence[float], arithmetic: Sequence[str]) -> None:
    """Raises ValueError, one line, where beside --chain stands what only methods heed."""
    for name, found, usual in (("levels", levels, LEVELS), ("arithmetic", arithmetic, ARITHMETIC)):
        if tuple(found) != usual:
            raise ValueError(
                f"--{name}: found {' '.join(map(str, found))} beside --chain, which says its own; "
                f"allowed: with --methods"
            )


def own_chains(words: Sequence[str], common: Common) -> list[Chain]:
    """What --chain names. Raises ValueError, one line."""
    from sparse_rl.compression.steps import parse_chain

    try:
        return [parse_chain(word, common) for word in words]
    except ValueError as error:
        raise ValueError(f"--chain: {error}") from None


def rougher_worlds(words: Sequence[str], environment: VectorEnv) -> list[Disturbance]:
    """What --disturbances names. Raises ValueError, one line."""
    from sparse_rl.selection import disturbances

    try:
        return [disturbances.parse(word, environment) for word in words]
    except ValueError as error:
        raise ValueError(f"--disturbances: {error}") from None


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    interrupted = (
        "interrupted: finished candidates are kept; run the same command again to continue"
    )
    program.run(main, "compress", arguments, interrupted)


if __name__ == "__main__":
    run()
