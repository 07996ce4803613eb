"""A run with what needs its environment: the actors of its policies."""

from __future__ import annotations

from sparse_rl import envs
from sparse_rl.architecture import policy_network
from sparse_rl.artifact.binding import bind
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.artifact.runtime import Actor
from sparse_rl.runs import run as stored


class Run(stored.Run):
    """What a run directory holds. Raises ValueError, one line, where a file is missing."""

    def packed(self, variant: str, seed: int) -> PackedActor:
        """The policy of one seed of a variant as `sparse_rl.export` writes it.

        Raises ValueError where the run has no such variant or seed, or its policy is damaged.
        """
        arrays, config = self.trained(variant, seed), self.config
        spec = envs.make(config.environment, evaluation=True).spec
        graph = bind(
            policy_network(config.network, spec),
            arrays,
            self.variants[variant].arithmetic,  # type: ignore[arg-type]
        )
        measured = self.final_returns(variant)[seed]
        about = Provenance(config.environment, variant, seed, config.digest(), measured)
        return PackedActor(graph, about)

    def actor(self, variant: str, seed: int) -> Actor:
        """One trained policy as a function of an observation, or of a batch of them."""
        return Actor(self.packed(variant, seed))
