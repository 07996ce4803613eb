"""How sparse is for the data to say: several networks of rising sparsity learn side by side.

The idea of EauDeQN (Vincent et al. 2025, arXiv 2503.01437). Beside the network that acts, rivals
learn from the same batches towards the same target. Whenever the target is due,

    the network with the smallest sum of losses  becomes the one that acts, and the target
    the rivals                                   become pruned copies of it

so that sparsity rises while sparser networks fit the target at least as well, and stays where they
do not: the network that acts is a competitor as it is. A rival keeps a share 1 - u of the weights
that are alive, u from U(0, `drop_fraction`), drawn for each; its smallest weights go. The agent
holds the rivals and their losses (`agents.eau_dqn`); here is what they are. Where this differs from
the paper is in docs/protocol.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from sparse_rl.config.experiment import Config
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Masks, Params, Prune
from sparse_rl.sparsity.method import Pruned
from sparse_rl.sparsity.options import AdaptiveOptions
from sparse_rl.sparsity.scores import magnitude
from sparse_rl.sparsity.unscheduled import Unscheduled


@dataclass(frozen=True)
class Adaptive(Unscheduled):
    """Dense at first; the level of a member is the most that it may reach.

    Its masks change with the agent's target and not by `update`.
    """

    rivals: int
    drop_fraction: float
    select: Prune
    end: int

    def init(
        self, params: Params, target_counts: Int[Array, " layers"], key: Key[Array, ""]
    ) -> Masks:
        """Dense."""
        return mask_rules.dense(params)

    def rival_masks(self, network: Pruned) -> Masks:
        """Masks of all rivals of `network`, stacked on a first axis of length `rivals`.

        With a share a alive of all N weights, a rival whose draw is u has

            d_l min(1, (1 - a (1 - u)) N / sum(d))

        weights dead in layer l, to the nearest weight: d_l is the layer's `target_counts`, so that
        the layers keep the proportions of the distribution on the way, as in gradual pruning.
        """
        sizes = sum(mask.size for mask in jax.tree.leaves(network.masks))
        alive = mask_rules.alive_counts(network.masks).sum()
        most = jnp.maximum(network.target_counts.sum(), 1)

        def rival(drawn: Array) -> Masks:
            dead = sizes - alive * (1.0 - drawn)
            share = jnp.minimum(dead / most, 1.0)
            counts = jnp.rint(network.target_counts * share).astype(jnp.int32)
            return self.select(network.masks, magnitude(network.params), counts)

        drawn = jax.random.uniform(network.key, (self.rivals,), maxval=self.drop_fraction)
        return jax.vmap(rival)(drawn)


def build(options: AdaptiveOptions, config: Config) -> Adaptive:
    """As `sparsity.distribution` spreads the level."""
    return Adaptive(
        options.networks - 1,
        options.drop_fraction,
        mask_rules.pruning_of(config.sparsity.distribution),
        config.step_at(options.stop),
    )
