"""Networks that compete: each learns as DQN's own would, and the one that fits best goes on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.tree_utils as otu
import pytest

from sparse_rl.agents.eau_dqn import EauDQN, EauDQNState
from sparse_rl.memory.replay import ReplayBuffer
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.adaptive import Adaptive
from tests.agents.test_dqn import make, make_batch, make_state

RIVALS = 3
METHOD = Adaptive(RIVALS, 0.5, mask_rules.prune_per_layer, end=1_000)
MOST = jnp.array([9, 12, 6])
"""Of head (4, 3), hidden_0 (2, 5) and hidden_1 (5, 4): less than each has."""


def agent_and_state(most: Any = MOST, **options: float) -> tuple[EauDQN, EauDQNState]:
    """Rivals that differ from the policy and from each other; moments that are not zero."""
    agent = EauDQN.of(make(**options), METHOD)
    state = agent.limited(agent.init(jax.random.key(0)), {"policy": jnp.asarray(most)})
    state = state._replace(target=make_state(make()).target)
    state = agent.chosen(state, jax.random.key(1))._replace(target=state.target)
    for seed in range(2):
        state = agent.update(state, make_batch(), jax.random.key(seed), jnp.int32(0)).state
    return agent, state


def rival(state: EauDQNState, index: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], state.rivals)


def same(found: Any, wanted: Any) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), found, wanted)


@pytest.mark.parametrize("double", [False, True])
def test_every_network_takes_the_step_that_dqn_would_take_with_it(double: bool) -> None:
    agent, before = agent_and_state(double=double, gradient_clip=0.1, weight_decay=0.02)
    dqn, batch = make(double=double, gradient_clip=0.1, weight_decay=0.02), make_batch()
    after, metrics, _ = agent.update(before, batch, jax.random.key(3), jnp.int32(0))
    own = agent.settled(before)
    alone = dqn.update(own, batch, jax.random.key(3), jnp.int32(0))
    same(after.policy, alone.state.policy)
    assert metrics == alone.metrics
    added = after.losses - before.losses
    np.testing.assert_allclose(added[0], alone.metrics["loss"], rtol=1e-5)
    target = dqn.bootstrapped(own, batch)  # by the policy's choice of actions, for all
    for index in range(RIVALS):
        mine = rival(before, index)
        (loss, _), gradients = dqn.slope(mine.params, own, batch, target)
        same(rival(after, index), mine.step(dqn._optimizer, gradients))
        np.testing.assert_allclose(added[1 + index], loss, rtol=1e-5)


@pytest.mark.parametrize(
    ("losses", "winner"),
    [([2.0, 1.0, 0.5, 3.0], 2), ([0.1, 1.0, 0.5, 3.0], 0), ([1.0, 1.0, 1.0, 1.0], 0),
     ([1.0, np.nan, 2.0, 0.5], 3), ([np.nan, 1.0, 2.0, 0.5], 3)],
)  # fmt: skip
def test_the_network_with_the_smallest_loss_goes_on(losses: list[float], winner: int) -> None:
    agent, before = agent_and_state()
    before = before._replace(losses=jnp.array(losses))
    after = agent.chosen(before, jax.random.key(4))
    best = before.policy if winner == 0 else rival(before, winner - 1)
    jax.tree.map(np.testing.assert_array_equal, after.policy, best)
    jax.tree.map(np.testing.assert_array_equal, after.target, best.params)
    assert after.losses.tolist() == [0.0] * (RIVALS + 1)
    left = [int(mask_rules.alive_counts(rival(after, i).masks).sum()) for i in range(RIVALS)]
    of_winner = int(mask_rules.alive_counts(best.masks).sum())
    assert all(count <= of_winner for count in left) and min(left) < of_winner
    for index in range(RIVALS):
        mine = rival(after, index)
        for tree, whole in (
            (mine.params, best.params),
            (otu.tree_get(mine.optimizer, "mu"), otu.tree_get(best.optimizer, "mu")),
            (otu.tree_get(mine.optimizer, "nu"), otu.tree_get(best.optimizer, "nu")),
        ):
            jax.tree.map(np.testing.assert_array_equal, tree, mask_rules.apply(mine.masks, whole))


def filled(agent: EauDQN, state: EauDQNState) -> ReplayBuffer:
    _, memory = agent.begin(state, jnp.ones((2, 2)), jnp.int32(0))
    return memory._replace(
        observation=jax.random.normal(jax.random.key(3), memory.observation.shape),
        reward=jax.random.normal(jax.random.key(4), memory.reward.shape),
        valid=jnp.ones_like(memory.valid),
    )


def test_the_choice_is_made_when_the_target_is_due_and_only_then() -> None:
    agent, state = agent_and_state(target_interval=100)
    memory, key = filled(agent, state), jax.random.key(0)
    between = agent.learn(state, memory, key, jnp.int32(99)).state
    jax.tree.map(np.testing.assert_array_equal, between.target, state.target)
    jax.tree.map(np.testing.assert_array_equal, between.rivals.masks, state.rivals.masks)
    assert (np.asarray(between.losses) > np.asarray(state.losses)).all()
    due = agent.learn(state, memory, key, jnp.int32(100)).state
    assert (np.asarray(due.losses) < np.asarray(state.losses)).all(), "sums begin anew"
    winner = int(jnp.argmin(state.losses))
    best = state.policy if winner == 0 else rival(state, winner - 1)
    jax.tree.map(np.testing.assert_array_equal, due.target, best.params)


def test_a_member_that_may_lose_nothing_is_a_dqn() -> None:
    agent, dqn = EauDQN.of(make(target_interval=20), METHOD), make(target_interval=20)
    competing, alone = agent.init(jax.random.key(0)), dqn.init(jax.random.key(0))
    memory = filled(agent, competing)
    learn, learn_alone = jax.jit(agent.learn), jax.jit(dqn.learn)
    for clock in range(2, 100, 2):
        competing = learn(competing, memory, jax.random.key(7), jnp.int32(clock)).state
        alone = learn_alone(alone, memory, jax.random.key(7), jnp.int32(clock)).state
    assert all(bool(mask.all()) for mask in jax.tree.leaves(competing.policy.masks))
    same(agent.settled(competing), alone)
