"""Trust region policy optimization (Schulman et al. 2015, arXiv 1502.05477), as in SB3-contrib."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
import optax.tree_utils as otu
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Bool, Float, Int, Key

from sparse_rl.agents.distributions import Distribution
from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.agents.on_policy import OnPolicyState, Steps
from sparse_rl.agents.on_policy_options import TRPOOptions
from sparse_rl.agents.rollout_agent import permutation
from sparse_rl.agents.updates import weighted_mean
from sparse_rl.agents.value_regression import PolicyStep, ValueRegression
from sparse_rl.config.experiment import Config
from sparse_rl.dot_products import DotProducts
from sparse_rl.spaces import EnvSpec
from sparse_rl.sparsity.masks import Params

RESIDUAL = 1e-5
"""Conjugate gradients end early where the residual's norm is no larger."""

Pullback = Callable[[Distribution], tuple[Params]]
"""u -> J^T u, with J the derivatives of a distribution's parameters by those of the policy."""


@dataclass(frozen=True)
class TRPO(ValueRegression):
    """The algorithm over a policy and a value network of its own.

    The surrogate L = mean(r A), r = pi(a | s) / pi_old(a | s), is enlarged within a mean divergence
    KL(pi, pi_old) < delta (equation 14, with the divergence the other way round, as in SB3-contrib;
    to second order around pi_old they are the same). With F the divergence's second derivatives and
    c the damping

        (F + c I) x = grad L        step = sqrt(2 delta / x^T (F + c I) x) x

    (appendix C), and the step is shortened until L is larger and the divergence below delta. Where
    weights are dead, all of this takes place among those that are alive.
    """

    config: TRPOOptions

    @property
    def _policy_optimizer(self) -> optax.GradientTransformation:
        """The natural step is taken as it is."""
        return optax.identity()

    def part(self, batch: Steps, key: Key[Array, ""]) -> Steps:
        """One of `sub_sampling` steps of the rollout, drawn without replacement."""
        count = batch.weight.shape[0]
        chosen = permutation(key, count)[: count // self.config.sub_sampling]
        return jax.tree.map(lambda leaf: leaf[chosen], batch)

    def policy_step(self, state: OnPolicyState, batch: Steps) -> PolicyStep:
        """The natural gradient's step, shortened by the line search; none where that fails."""
        advantage = self.scaled_advantage(batch)

        def policy(params: Params) -> Distribution:
            return self.distribution(params, state.statistics, batch.observation)

        def surrogate(distribution: Distribution) -> Float[Array, ""]:
            ratio = jnp.exp(distribution.log_prob(batch.action) - batch.log_prob)
            return weighted_mean(ratio * advantage, batch.weight)

        old, pullback = jax.vjp(policy, state.policy.params)
        before, slope = jax.value_and_grad(surrogate)(old)
        (gradient,) = pullback(slope)

        def divergence(distribution: Distribution) -> Float[Array, ""]:
            return weighted_mean(distribution.divergence(old), batch.weight)

        step = self.natural_step(state.policy, gradient, pullback, divergence, old)

        def moved(share: Float[Array, ""]) -> MaskedNetwork:
            return state.policy.step(self._policy_optimizer, otu.tree_scale(share, step))

        def improves(share: Float[Array, ""]) -> Bool[Array, ""]:
            new = policy(moved(share).params)
            return (divergence(new) < self.config.target_kl) & (surrogate(new) > before)

        share, found = self.line_search(improves)
        after = jax.tree.map(
            lambda new, unmoved: jnp.where(found, new, unmoved), moved(share), state.policy
        )
        new = policy(after.params)
        metrics = {
            "policy_loss": -surrogate(new),
            "entropy": weighted_mean(old.entropy(), batch.weight),
            "kl": divergence(new),
            "line_search_found": found.astype(jnp.float32),
        }
        return PolicyStep(after, metrics, otu.tree_scale(-1.0, gradient))

    def natural_step(
        self,
        network: MaskedNetwork,
        gradient: Params,
        pullback: Pullback,
        divergence: Callable[[Distribution], Float[Array, ""]],
        old: Distribution,
    ) -> Params:
        """sqrt(2 delta / x^T (F + c I) x) x for (F + c I) x = gradient, by conjugate gradients.

        F = J^T M J, with M the second derivatives of the mean divergence by the distribution's own
        parameters; its first ones are zero at pi_old, so nothing is left out.
        """
        # The transpose of a pullback, and not `jax.jvp`: int8 products have a rule for gradients
        # alone, and the product stays symmetric under it.
        _, transposed = jax.vjp(lambda u: pullback(u)[0], old)

        def fisher(vector: Params) -> Params:
            (pushed,) = transposed(vector)
            _, curved = jax.jvp(jax.grad(divergence), (old,), (pushed,))
            product = network.learning(pullback(curved)[0])
            return otu.tree_add_scale(product, self.config.cg_damping, vector)

        wanted = network.learning(gradient)
        direction, _ = cg(fisher, wanted, tol=0.0, atol=RESIDUAL, maxiter=self.config.cg_steps)
        curvature = otu.tree_vdot(direction, fisher(direction))
        longest = jnp.sqrt(2.0 * self.config.target_kl / curvature)
        return otu.tree_scale(jnp.where(curvature > 0, longest, 0.0), direction)

    def line_search(
        self, improves: Callable[[Float[Array, ""]], Bool[Array, ""]]
    ) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        """The largest share of the step that improves, 1, b, b^2, ..., and whether there is one."""
        shrink = jnp.float32(self.config.line_search_shrink)

        def attempt(
            tried: tuple[Int[Array, ""], Bool[Array, ""]],
        ) -> tuple[Int[Array, ""], Bool[Array, ""]]:
            index, _ = tried
            return index + 1, improves(shrink**index)

        def goes_on(tried: tuple[Int[Array, ""], Bool[Array, ""]]) -> Bool[Array, ""]:
            index, found = tried
            return ~found & (index < self.config.line_search_steps)

        count, found = jax.lax.while_loop(goes_on, attempt, (jnp.int32(0), jnp.bool_(False)))
        return shrink ** (count - 1), found


def build(config: Config, spec: EnvSpec, dots: DotProducts) -> TRPO:
    """TRPO with the configured networks; see `OnPolicy.of`."""
    return TRPO.of(config, spec, dots)
