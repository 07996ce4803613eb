"""python -m sparse_rl.check ENV: can one train in it?"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from sparse_rl import extras

with extras.needed_by("check", __name__):
    from sparse_rl.config import program
    from sparse_rl.config.fields import Count, Episodes
    from sparse_rl.spaces import Continuous, EnvSpec


def main(
    env: Annotated[str, program.POSITIONAL],
    episodes: Episodes = 4,
    seed: Count = 0,
    imports: tuple[str, ...] = (),
) -> None:
    """Play in an environment with random actions and say whether one can train in it.

    Ends with status 2 where something is wrong.

    Args:
        env: the environment, such as gymnasium/my_tasks:HeavyPendulum-v0.
        episodes: how many are played side by side, at most 1,000 steps of each.
        seed: of the episodes' starts and of the actions.
        imports: packages of one's own that are imported first; --import NAME adds one.
    """
    # Imported here, so that --help and a mistyped option answer at once.
    from sparse_rl import registry
    from sparse_rl.envs import make
    from sparse_rl.envs.checks import check

    registry.load(imports)
    print(described(make(env).spec), flush=True)
    found: Counter[str] = Counter()
    for finding in check(env, episodes, seed):
        print(f"{finding.kind:<12} {finding.text}", flush=True)
        found[finding.kind] += 1
    if found["wrong"]:
        raise ValueError(f"{env}: {found['wrong']} of {found.total()} checks failed")
    start = f"sparse-rl train {nearest(make(env).spec)} --environment {shlex.quote(env)}"
    start += "".join(f" --import {shlex.quote(package)}" for package in imports)
    print(f"\nNothing is wrong. Now: {start}")


def described(spec: EnvSpec) -> str:
    """What an agent sees and does there, in three lines."""
    action = spec.action
    if isinstance(action, Continuous):
        doing = f"{len(action.low)} continuous, from {min(action.low):g} to {max(action.high):g}"
    else:
        doing = f"one of {action.n}"
    shape = " x ".join(map(str, spec.observation_shape))
    stacked = f", {spec.frame_stack} seen at once" if spec.frame_stack > 1 else ""
    return "\n".join(
        [
            f"{'observation':<12} {shape} {spec.observation_dtype.name}{stacked}",
            f"{'action':<12} {doing}",
            f"{'episode':<12} at most {spec.time_limit:,} steps",
        ]
    )


def nearest(spec: EnvSpec) -> str:
    """The experiment whose settings may serve."""
    if isinstance(spec.action, Continuous):
        return "sac_pendulum"
    return "dqn_cartpole" if len(spec.observation_shape) == 1 else "dqn_breakout_minatar"


def run(arguments: Sequence[str] | None = None) -> None:
    """The command: `main` with these words, or with those of the command line."""
    program.run(main, "check", arguments)


if __name__ == "__main__":
    run()
