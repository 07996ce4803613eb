"""python -m sparse_rl.evaluate ACTOR [--env NAME] [--episodes 20]: the return of an exported actor.

It is the artifact that acts, compiled or with NumPy, not the network that was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from sparse_rl import extras

with extras.needed_by("evaluate", __name__):
    import numpy as np
    from jaxtyping import Float

    from sparse_rl.config import program
    from sparse_rl.config.fields import Count, Episodes


def main(
    actor: Annotated[Path, program.POSITIONAL],
    env: str = "",
    episodes: Episodes = 20,
    seed: Count = 0,
    backend: Literal["auto", "c", "numpy"] = "auto",
    compilation_cache: str = "auto",
    imports: tuple[str, ...] = (),
) -> None:
    """Play whole episodes with an exported actor and print their return.

    Args:
        actor: a packed actor (.srl).
        env: the environment, such as brax/hopper; by default the one it was trained in.
        episodes: how many, played side by side.
        seed: of the episodes' starts.
        backend: compiled C, NumPy, or C if there is a compiler.
        compilation_cache: keeps the environment's compiled programs for the next time: auto (in
            the user's cache directory), off, or a directory.
        imports: packages of one's own that are imported first; --import NAME adds one.
    """
    if not actor.is_file():
        found = "is a folder" if actor.is_dir() else "no such file"
        raise ValueError(f"{actor}: {found}; needed is a packed actor (.srl)")
    # Imported here, so that --help and a mistyped option answer at once.
    from sparse_rl import registry
    from sparse_rl.architecture import check_fits
    from sparse_rl.artifact.runtime import load_actor
    from sparse_rl.envs import make
    from sparse_rl.playing.play import play
    from sparse_rl.runtime import compilation_cache as kept_programs

    registry.load(imports)
    kept_programs.use(compilation_cache)
    loaded = load_actor(actor, backend)
    name = env or loaded.provenance.environment
    if not name:
        raise ValueError("--env: not given, and the actor names none; needed is an environment")
    environment = make(name, evaluation=True)
    check_fits(loaded.graph, environment.spec)
    result = play(loaded.where_finite, environment, episodes, seed)
    returns = result.returns
    print(f"{actor} in {name}, {loaded.backend}, {episodes} episode{'s' * (episodes != 1)}")
    print(f"return {spread_of(returns) if episodes > 1 else f'{returns[0]:.6g}'}")
    if failed := int((~np.isfinite(returns)).sum()):
        print(f"failed: {failed} of {episodes} episodes: a number in them was not finite")
    print(f"length {result.lengths.mean():.6g}")
    if loaded.provenance.measured_return is not None:
        print(f"return on record: {loaded.provenance.measured_return:.6g}")


def spread_of(returns: Float[np.ndarray, " episodes"]) -> str:
    """Mean, standard error and ends of two episodes or more; one says nothing of the others."""
    error = returns.std(ddof=1) / np.sqrt(len(returns))
    ends = f"from {returns.min():.6g} to {returns.max():.6g}"
    return f"{returns.mean():.6g} +- {error:.3g} (standard error), {ends}"


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    program.run(main, "evaluate", arguments)


if __name__ == "__main__":
    run()
