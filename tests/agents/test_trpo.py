"""TRPO against its formulas in NumPy, with the matrices that it never makes."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.agents.on_policy import OnPolicyState, Steps
from sparse_rl.networks import FlaxNetwork
from sparse_rl.population.ranges import begun, observed
from sparse_rl.quantization.aqt import dot_products
from sparse_rl.sparsity import masks as mask_rules
from tests.agents.on_policy_example import agent_of, fresh, outputs, random_batch, terms
from tests.agents.reference import Tree, gradient, leaves, to_float64

KINDS = ["continuous", "discrete"]
TARGET, DAMPING = 0.02, 0.05
OPTIONS = {
    "batch_size": 8,
    "target_kl": TARGET,
    "cg_damping": DAMPING,
    "cg_steps": 60,
    "normalize_advantages": False,
}


def flat(tree: Tree) -> np.ndarray:
    return np.concatenate([leaf.ravel() for leaf in leaves(tree)])


def like(tree: Tree, row: np.ndarray) -> Tree:
    """`row` in the structure of `tree`, in the order of `leaves`."""
    if isinstance(tree, dict):
        parts, start = {}, 0
        for key in sorted(tree):
            size = flat(tree[key]).size
            parts[key] = like(tree[key], row[start : start + size])
            start += size
        return parts
    return row.reshape(tree.shape)


def divergence(new: Tree, old: Tree, batch: Steps, kind: str) -> float:
    """Mean KL(new, old) over the rows that count, from its definition."""
    seen, weight = np.asarray(batch.observation, np.float64), np.asarray(batch.weight)
    if kind == "discrete":
        logits = [outputs(policy, seen, "head") for policy in (new, old)]
        p, q = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in logits)
        rows = (p * np.log(p / q)).sum(axis=1)
    else:
        m, n = (outputs(policy, seen, "mean") for policy in (new, old))
        s, t = (np.exp(policy["exploration"]["log_std"]) for policy in (new, old))
        rows = (np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5).sum(axis=1)
    return float((rows * weight).sum() / weight.sum())


def hessian(f: Any, at: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Second derivatives of f by central differences."""
    count = at.size
    found = np.zeros((count, count))
    unit = np.eye(count) * step
    for i in range(count):
        for j in range(i, count):
            corners = [f(at + a * unit[i] + b * unit[j]) * a * b for a in (1, -1) for b in (1, -1)]
            found[i, j] = found[j, i] = sum(corners) / (4 * step**2)
    return found


def alive(state: OnPolicyState) -> np.ndarray:
    masks = jax.tree.map(
        lambda mask, leaf: np.ones(leaf.shape, bool) if mask is None else np.asarray(mask),
        state.policy.masks,
        state.policy.params,
        is_leaf=lambda mask: mask is None,
    )
    return flat(masks).astype(bool)


def pruned(state: OnPolicyState, dead: int) -> OnPolicyState:
    scores = jax.tree.map(jnp.abs, state.policy.params)
    counts = jnp.array([dead, 1])
    masks = mask_rules.prune_per_layer(state.policy.masks, scores, counts)
    return state._replace(policy=state.policy.with_masks(masks))


def with_old_probabilities(state: OnPolicyState, batch: Steps, kind: str) -> Steps:
    policy, value = to_float64(state.policy.params), to_float64(state.value.params)
    found = terms(policy, value, batch, kind).log_prob
    return batch._replace(log_prob=jnp.asarray(found, jnp.float32))


def expected(state: OnPolicyState, batch: Steps, kind: str, shrink: float, tries: int) -> Any:
    """The parameters after the step, the share of it that was taken, and the gradient."""
    policy, value = to_float64(state.policy.params), to_float64(state.value.params)
    start, live = flat(policy), alive(state)
    weight, advantage = (np.asarray(x, np.float64) for x in (batch.weight, batch.advantage))
    old = terms(policy, value, batch, kind).log_prob

    def surrogate(new: Tree) -> float:
        ratio = np.exp(terms(new, value, batch, kind).log_prob - old)
        return float((ratio * advantage * weight).sum() / weight.sum())

    slope = flat(gradient(surrogate, policy))
    second = hessian(lambda row: divergence(like(policy, row), policy, batch, kind), start)
    matrix = (second + DAMPING * np.eye(start.size))[np.ix_(live, live)]
    direction = np.linalg.solve(matrix, slope[live])
    step = np.zeros_like(start)
    step[live] = np.sqrt(2 * TARGET / (direction @ matrix @ direction)) * direction
    for index in range(tries):
        share = shrink**index
        new = like(policy, start + share * step)
        enlarged = surrogate(new) > surrogate(policy)
        if enlarged and divergence(new, policy, batch, kind) < TARGET:
            return start + share * step, share, slope
    return start, 0.0, slope


@pytest.mark.parametrize("dead", [0, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_the_step_agrees_with_the_formulas(kind: str, dead: int) -> None:
    """Matrix, its inverse and the search are written out; the agent only multiplies by it."""
    agent = agent_of("trpo", kind, **OPTIONS)
    state = pruned(fresh(agent), dead)
    batch = with_old_probabilities(state, random_batch(kind), kind)
    wanted, share, slope = expected(state, batch, kind, 0.8, 10)
    assert share > 0, "the batch must have a step that improves"
    step = jax.jit(agent.policy_step)(state, batch)
    assert step.metrics["line_search_found"] == 1
    start = flat(to_float64(state.policy.params))
    found = flat(to_float64(jax.device_get(step.policy.params)))
    np.testing.assert_allclose(found - start, wanted - start, rtol=1e-2, atol=2e-4)
    # What is handed to sparsity methods is dense, also where weights are dead.
    gradients = flat(to_float64(jax.device_get(step.gradients)))
    np.testing.assert_allclose(gradients, -slope, rtol=2e-3, atol=3e-5)
    policy = to_float64(jax.device_get(step.policy.params))
    kl = divergence(policy, to_float64(state.policy.params), batch, kind)
    np.testing.assert_allclose(step.metrics["kl"], kl, rtol=1e-2, atol=1e-6)
    assert 0 < kl < TARGET
    dead_weights = ~alive(state)
    assert dead_weights.sum() == (8 if dead else 1)
    assert (found[dead_weights] == 0).all()


@pytest.mark.parametrize("tries", [1, 3, 10])
def test_the_line_search_takes_the_first_length_that_improves(tries: int) -> None:
    agent = agent_of("trpo", "discrete", **OPTIONS, line_search_steps=tries, line_search_shrink=0.5)
    search = jax.jit(lambda bound: agent.line_search(lambda share: share <= bound))
    for bound, wanted in ((0.3, 0.25), (1.0, 1.0), (0.2, 0.125)):
        share, found = search(bound)
        assert bool(found) == (wanted >= 0.5 ** (tries - 1))
        if found:
            assert share == wanted


def test_there_is_no_step_where_none_improves() -> None:
    """Without advantages no length is better than none, and the policy stays, bit by bit."""
    agent = agent_of("trpo", "continuous", **OPTIONS)
    state = fresh(agent)
    batch = random_batch("continuous")._replace(advantage=jnp.zeros(6))
    step = jax.jit(agent.policy_step)(state, batch)
    assert step.metrics["line_search_found"] == 0 and step.metrics["kl"] == 0
    for before, after in zip(leaves(state.policy.params), leaves(step.policy.params), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("arithmetic", ["int8w", "int8", "integer"])
def test_a_policy_with_int8_products_has_a_natural_step(arithmetic: str) -> None:
    """They have a rule for gradients and none for tangents, which second derivatives ask for.

    On a few numbers of eight bits the step is next to that of the float32 policy.
    """
    agent = agent_of("trpo", "discrete", **OPTIONS)
    actor = FlaxNetwork(agent.actor.network, dot_products(arithmetic))
    quantized = replace(agent, actor=actor)
    state = pruned(fresh(agent), 5)
    batch = with_old_probabilities(state, random_batch("discrete"), "discrete")
    other = state
    if arithmetic == "integer":
        other = observed(actor, agent, begun(actor, state), batch.observation)
    one = jax.jit(agent.policy_step)(state, batch)
    two = jax.jit(quantized.policy_step)(other, batch)
    assert two.metrics["line_search_found"] == 1
    start = flat(to_float64(state.policy.params))
    moves = [
        flat({"params": to_float64(jax.device_get(step.policy.params))["params"]}) - start
        for step in (one, two)
    ]
    assert moves[0] @ moves[1] > 0.98 * np.linalg.norm(moves[0]) * np.linalg.norm(moves[1])
    assert (moves[1][~alive(state)] == 0).all()
    if arithmetic == "integer":
        for before, after in zip(
            leaves(other.policy.params["ranges"]), leaves(two.policy.params["ranges"]), strict=True
        ):
            np.testing.assert_array_equal(before, after)


def test_members_side_by_side_search_for_themselves() -> None:
    """Three states at once, of which one finds no step, as each of them alone."""
    agent = agent_of("trpo", "continuous", **OPTIONS)
    states = [pruned(fresh(agent), dead) for dead in (0, 5, 9)]
    batches = [random_batch("continuous", seed) for seed in (1, 2, 3)]
    batches = [
        with_old_probabilities(state, batch, "continuous")
        for state, batch in zip(states, batches, strict=True)
    ]
    batches[1] = batches[1]._replace(advantage=jnp.zeros(6))
    stacked = [jax.tree.map(lambda *leaf: jnp.stack(leaf), *parts) for parts in (states, batches)]
    together = jax.jit(jax.vmap(agent.policy_step))(*stacked)
    found = np.asarray(together.metrics["line_search_found"])
    np.testing.assert_array_equal(found, [1, 0, 1])
    for index, (state, batch) in enumerate(zip(states, batches, strict=True)):
        alone = jax.jit(agent.policy_step)(state, batch)
        for one, several in zip(
            jax.tree.leaves(alone.policy.params),
            jax.tree.leaves(together.policy.params),
            strict=True,
        ):
            np.testing.assert_allclose(several[index], one, rtol=1e-4, atol=1e-5)


def test_one_of_several_steps_is_enough() -> None:
    agent = agent_of("trpo", "continuous", **OPTIONS, sub_sampling=2)
    part = agent.part(random_batch("continuous"), jax.random.key(0))
    assert part.weight.shape == (3,)
    rows = {tuple(np.asarray(row)) for row in random_batch("continuous").observation}
    drawn = {tuple(np.asarray(row)) for row in part.observation}
    assert len(drawn) == 3 and drawn < rows
