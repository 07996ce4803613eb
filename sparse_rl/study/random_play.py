"""The return of acting at random, which returns are normalized by and margins follow from.

The prefill tells it for nothing, unless there is none, no episode has ended in it, or its episodes
are not those of an evaluation: Atari trains on lives and on signs of rewards.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sparse_rl.environment_name import taken_apart
from sparse_rl.playing.play import play, random_policy
from sparse_rl.study.phases import Phase
from sparse_rl.study.preparation import Study

EPISODES = 20
"""At least so many, of all seeds together."""


def must_be_played(study: Study, in_prefill: Float[np.ndarray, " members"]) -> bool:
    """Whether the returns of the prefill's episodes, nan where there were none, do not tell it."""
    other_rules = taken_apart(study.config.environment).suite == "atari"
    return other_rules or not np.isfinite(in_prefill).any()


def random_returns(study: Study, phase: Phase) -> Float[np.ndarray, " members"]:
    """Mean return of whole episodes of uniformly random actions, for each seed its own episodes."""
    environment = study.evaluation_environment
    seeds = list(dict.fromkeys(member.seed for member in phase.members))
    each = -(-EPISODES // len(seeds))
    policy = random_policy(environment.spec, seeds[0])
    returns = play(policy, environment, each * len(seeds), seeds[0]).returns
    of_seed = dict(zip(seeds, returns.reshape(len(seeds), each).mean(axis=1), strict=True))
    return np.array([of_seed[member.seed] for member in study.pad(phase.members)])
