"""What the last evaluation found a policy to be worth, and whether other episodes agree with it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

LIMIT = 8.0
"""Standard errors between two means from which on they are of two different policies."""
LEAST_EPISODES = 10
"""Episodes of an evaluation from which on their spread says something."""
LEAST_SPREAD = 0.05
"""Least standard deviation of an episode's return, as a share of the mean, where it is unknown."""


class RecordedReturn(NamedTuple):
    """The mean return of one policy's last evaluation.

    `spread` is the standard deviation of an episode's return, nan where the run did not record it.
    """

    mean: float
    spread: float
    episodes: int

    def distance(self, returns: Float[np.ndarray, " episodes"]) -> float:
        """How many standard errors lie between the recorded mean and that of these episodes.

            |mean(returns) - mean| / (s sqrt(1/n + 1/m))

        s is the larger of the recorded spread of the m episodes and that of these n, since either
        may lack the rare failure that the other has. Where none is recorded it is at least 5 % of
        the recorded mean: a few equal returns tell no spread. 0 where nothing can be said: the
        recorded mean is no number or of fewer than 10 episodes, or one episode stands alone;
        infinity where these returns are not all finite.
        """
        count = len(returns)
        if not math.isfinite(self.mean):
            return 0.0
        if not np.isfinite(returns).all():
            return math.inf
        if self.episodes < LEAST_EPISODES or (count < 2 and not math.isfinite(self.spread)):
            return 0.0
        own = float(np.std(returns, ddof=1)) if count > 1 else 0.0
        least = self.spread if math.isfinite(self.spread) else LEAST_SPREAD * abs(self.mean)
        spread = max(own, least)
        error = spread * math.sqrt(1 / count + 1 / max(self.episodes, 1))
        gap = abs(float(np.mean(returns)) - self.mean)
        if gap <= 1e-4 * abs(self.mean):  # rounding of sums on another machine
            return 0.0
        return gap / error if error > 0 else math.inf

    def contradicts(self, returns: Float[np.ndarray, " episodes"]) -> bool:
        """Whether these episodes cannot be of the policy that was evaluated.

        They are not if the means are more than 8 standard errors apart. If the policy is the same
        and s is right, that happens in less than 1 of 64 cases whatever the distribution of the
        returns (Chebyshev's inequality), and in 1 of 10^15 where their means are near normal.
        """
        return self.distance(returns) > LIMIT
