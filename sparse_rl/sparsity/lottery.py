"""Lottery tickets (Frankle and Carbin 2019, arXiv 1803.03635): the final mask, the first weights.

Gradual pruning finds the masks; then the same seeds start again from the weights that they started
from, with these masks from the first step to the last:

    w_0 -> gradual pruning -> m;      m * w_0 -> training with m fixed

A control: what it lacks of gradual pruning is what the weights learned before they were pruned. In
value-based deep RL that was much (Obando-Ceron et al. 2024, arXiv 2402.12479).
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Array, Int, Key

from sparse_rl.config.experiment import Config
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Masks, Params
from sparse_rl.sparsity.options import LotteryOptions
from sparse_rl.sparsity.unscheduled import Unscheduled


@dataclass(frozen=True)
class Lottery(Unscheduled):
    """Fresh members with the final masks of `masks_of`; they never change."""

    end: int
    masks_of: str = "gradual"

    def init(
        self, params: Params, target_counts: Int[Array, " layers"], key: Key[Array, ""]
    ) -> Masks:
        """Dense: the study puts the masks in their place before the first step."""
        return mask_rules.dense(params)


def build(options: LotteryOptions, config: Config) -> Lottery:
    """Masks that are what they are from the start."""
    return Lottery(config.prefill_steps)
