"""Members that have failed: said once each, as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sparse_rl.population.cohorts import Cohorts
from sparse_rl.study.phases import Member

MOST_NAMED = 5
"""Members named in one line; of more only their number is said."""


class Failures:
    """What is known of the members of one phase; `say` is told of each new failure."""

    def __init__(self, members: Sequence[Member], say: Callable[[str], None]) -> None:
        self._members = members
        self._say = say
        self._known = np.zeros(len(members), bool)

    def look(self, state: Cohorts) -> bool:
        """Says which members have failed since the last look; whether all have by now."""
        failed, metrics = state.read(
            lambda part: (part.members.failed, part.members.statistics.metrics)
        )
        failed = failed[: len(self._members)]
        new = np.flatnonzero(failed & ~self._known)
        if len(new):
            self._say(self._described(new, int(state.clock), metrics))
        self._known = failed
        return bool(failed.all())

    def start(self, state: Cohorts) -> bool:
        """Takes those that have failed before as known; whether all have."""
        failed = state.read(lambda part: part.members.failed)
        self._known = failed[: len(self._members)]
        return bool(self._known.all())

    def _described(self, new: np.ndarray, clock: int, metrics: dict[str, np.ndarray]) -> str:
        shown = named(self._members, new)
        not_finite = [name for name, sums in metrics.items() if not np.isfinite(sums[new]).all()]
        why = f"{', '.join(not_finite)} not finite" if not_finite else "an action is not finite"
        return f"failed by step {clock:,}: {shown} ({why}); a failed member keeps its last policy"


def named(members: Sequence[Member], which: np.ndarray) -> str:
    """The first few of these members, and how many more there are."""
    names = [f"{members[i].variant.name} seed {members[i].seed}" for i in which]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
