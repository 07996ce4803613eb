"""A chunk of training: members do not see each other, clocks stay unbatched, zeros stay zeros."""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.tree_utils as otu
import pytest

from sparse_rl.agents.agent import Agent
from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.population import chunks
from sparse_rl.population import members as population
from sparse_rl.population.members import Population, Program
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.dynamic import DynamicSparseTraining, by_gradient
from sparse_rl.sparsity.masks import Masks, Params
from sparse_rl.sparsity.method import Method, Pruned
from sparse_rl.study.preparation import build_agent
from tests.population.training import (
    COLLECTED,
    DQN,
    DQN_OF_TWO,
    SAC,
    SAC_OF_TWO,
    TD3,
    Setting,
    arrays,
    build_program,
    collected,
    fresh,
    programs,
    single_device,
    trained,
)

EVERY = [SAC, DQN, SAC_OF_TWO, DQN_OF_TWO]


@pytest.mark.parametrize("setting", EVERY, ids=str)
def test_a_member_does_not_depend_on_the_others(setting: Setting) -> None:
    alone = trained(setting, [3], [7])
    among = trained(setting, [5, 3, 3, 8], [0, 7, 11, 20])
    # Random bits and masks are exactly the same, floats to the order of summation.
    for one, many in zip(arrays(alone.members), arrays(among.members), strict=True):
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one[0], many[1], rtol=2e-3, atol=2e-4)
        else:
            np.testing.assert_array_equal(one[0], many[1])


def test_final_sparsity_is_exact_and_dead_weights_and_moments_are_zero() -> None:
    state = trained(SAC, [0, 1, 2, 3], [5, 20, 0, 1])
    assert int(state.clock) == 70  # beyond the last mask update, at 60
    policy = state.members.agent.policy
    mask = np.asarray(policy.masks["params"]["hidden_0"]["kernel"])
    assert [(~member).sum() for member in mask] == [5, 20, 0, 1]
    moments = [part for part in jax.tree.leaves(policy.optimizer) if part.shape == mask.shape]
    assert len(moments) == 2
    for tensor in [policy.params["params"]["hidden_0"]["kernel"], *moments]:
        assert (np.asarray(tensor)[~mask] == 0).all()
        assert (np.asarray(tensor)[mask] != 0).mean() > 0.9


def test_sparse_critics_are_exact_in_each_twin_and_their_targets_are_sparse_too() -> None:
    dead = {"policy": [5, 0, 0, 1], "critics": [3, 0, 6, 7]}
    state = trained(SAC_OF_TWO, [0, 1, 2, 3], dead)
    agent = state.members.agent
    moments = [otu.tree_get(agent.critics.optimizer, name) for name in ("mu", "nu")]
    trees = [agent.critics.params, agent.targets, *moments]
    masks = agent.critics.masks["params"]
    # The first layer in the order of the counts is the head, eight weights to one value.
    head = np.asarray(masks["head"]["kernel"])
    assert head.shape == (4, 2, 8, 1)
    assert [[(~twin).sum() for twin in member] for member in head] == [
        [count, count] for count in dead["critics"]
    ]
    assert (head[0, 0] != head[0, 1]).any()  # each twin loses its own smallest weights
    for layer in ("head", "hidden_0", "hidden_1"):
        mask = np.asarray(masks[layer]["kernel"])
        assert layer == "head" or mask.all()
        for tree in trees:
            tensor = np.asarray(tree["params"][layer]["kernel"])
            assert (tensor[~mask] == 0).all()
            assert (tensor[mask] != 0).mean() > 0.7  # a few units have never been active
    policy = np.asarray(agent.policy.masks["params"]["hidden_0"]["kernel"])
    assert [(~member).sum() for member in policy] == dead["policy"]
    alive = np.asarray(population.alive_counts(state, "critics"))
    np.testing.assert_array_equal(alive[:, 0], [16 - 2 * count for count in dead["critics"]])


def test_dense_critics_have_no_masks() -> None:
    critics = fresh(SAC, [0], [0]).members.agent.critics
    assert jax.tree.leaves(critics.masks) == []


def test_how_a_phase_is_cut_into_chunks_changes_nothing() -> None:
    whole = trained(DQN, [4, 6, 7, 8], [3, 0, 0, 0], iterations=20)
    chunk = programs(DQN)[1]
    compiled = chunk._cache_size()
    state = collected(DQN, [4, 6, 7, 8], [3, 0, 0, 0])
    for iterations in (1, 12, 7):
        state = chunk(state, jnp.int32(iterations))
    for one, other in zip(arrays(whole), arrays(state), strict=True):
        np.testing.assert_array_equal(one, other)
    assert chunk._cache_size() == compiled


@pytest.mark.parametrize("setting", [DQN, DQN_OF_TWO], ids=str)
def test_the_clock_counts_the_steps_of_all_environments(setting: Setting) -> None:
    environments = setting.environments
    state = collected(setting, [1, 2, 3, 4], [0, 0, 0, 0])
    assert int(state.clock) == COLLECTED
    # A row for each step of the environments, and the observation of the step to come.
    memory = state.members.memory
    assert memory.reward.shape == (4, 500 // environments, environments)
    steps = COLLECTED // environments
    written = np.asarray(memory.observation != 0).any(axis=(0, 2, 3))
    assert written.tolist() == [row <= steps for row in range(500 // environments)]
    # Each iteration is two steps of all environments.
    state = programs(setting)[1](state, jnp.int32(3))
    assert int(state.clock) == COLLECTED + 3 * 2 * environments


@pytest.mark.parametrize("setting", EVERY, ids=str)
def test_what_a_memory_holds_of_one_environment_is_its_history(setting: Setting) -> None:
    """Each environment of each member, alone with its actions, goes through the same steps."""
    start = fresh(setting, [1, 2, 3, 4], [0] * 4).members.environment
    start = jax.tree.map(lambda leaf: leaf.copy(), start)
    state = trained(setting, [1, 2, 3, 4], [0] * 4, iterations=8)
    steps = int(state.clock) // setting.environments
    memory, step = jax.device_get(state.members.memory), build_program(setting).environment.step
    history = jax.jit(lambda own, actions: jax.lax.scan(step, own, actions)[1])
    for member, place in itertools.product(range(2), range(setting.environments)):
        own = jax.tree.map(lambda leaf, m=member, e=place: leaf[m, e][None], start)
        outcome = history(own, memory.action[member, :steps, place, None])
        for name in ("reward", "terminated", "truncated", "valid"):
            found = getattr(memory, name)[member, :steps, place]
            np.testing.assert_allclose(found, getattr(outcome, name)[:, 0], rtol=1e-5)
        np.testing.assert_allclose(
            memory.observation[member, 1 : steps + 1, place],
            outcome.observation[:, 0],
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("setting", [SAC_OF_TWO, DQN_OF_TWO], ids=str)
def test_environments_of_a_member_differ(setting: Setting) -> None:
    memory = trained(setting, [1, 2, 3, 4], [0] * 4, iterations=8).members.memory
    observation = np.asarray(memory.observation)[:, :26]  # (20 + 8 * 2 * 2) / 2 steps
    assert (observation[:, :, 0] != observation[:, :, 1]).any(axis=-1).all()
    assert (observation[0] != observation[1]).any(axis=-1).all()  # nor are members alike
    action = np.asarray(memory.action)[:, :26]
    assert (action[:, :, 0] != action[:, :, 1]).mean() > 0.2


@pytest.mark.parametrize("setting", [DQN, DQN_OF_TWO], ids=str)
def test_returns_of_episodes_are_the_sums_of_their_rewards(setting: Setting) -> None:
    """CartPole with random actions: episodes end, in each environment at its own time."""
    environments = setting.environments
    state = programs(setting)[0](fresh(setting, [1, 2, 3, 4], [0] * 4), jnp.int32(100))
    statistics, memory = state.members.statistics, state.members.memory
    for member in range(4):
        returns, running = [], []
        for place in range(environments):
            total = 0.0
            for time in range(100):
                total += float(memory.reward[member, time, place])
                if memory.terminated[member, time, place] or memory.truncated[member, time, place]:
                    returns.append(total)
                    total = 0.0
            running.append(total)
        assert len(returns) > 2 * environments
        assert int(statistics.episodes[member]) == len(returns)
        assert float(statistics.finished_return[member]) == sum(returns)
        np.testing.assert_array_equal(statistics.running_return[member], running)


@pytest.mark.parametrize("setting", [DQN, DQN_OF_TWO], ids=str)
def test_every_gradient_step_is_taken(setting: Setting) -> None:
    state = trained(setting, [1, 2, 3, 4], [0] * 4, iterations=8)
    count = otu.tree_get(state.members.agent.policy.optimizer, "count")
    assert count.tolist() == [8 * setting.gradient_steps] * 4
    assert state.members.statistics.updates.tolist() == [8] * 4


def test_observations_are_counted_as_they_come() -> None:
    state = trained(SAC_OF_TWO, [5, 3, 3, 8], [0, 7, 11, 20], iterations=5)
    steps = int(state.clock) // 2
    seen = np.asarray(state.members.memory.observation)[:, : steps + 1].astype(np.float64)
    statistics = state.members.agent.statistics
    np.testing.assert_allclose(statistics.seen, 2 * (steps + 1), rtol=1e-5)
    np.testing.assert_allclose(statistics.mean, seen.mean(axis=(1, 2)), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(statistics.variance, seen.var(axis=(1, 2)), rtol=1e-3)


@pytest.mark.parametrize("clock", [22, 30], ids=["a plain update", "masks are due"])
def test_a_member_that_fails_keeps_the_policy_that_it_had(clock: int) -> None:
    """Weights and masks; the members beside it go on."""
    members = collected(DQN, [1, 2, 3, 4], [9] * 4).members
    before = members.agent.policy
    broken = members.memory._replace(reward=members.memory.reward.at[1].set(jnp.nan))
    learn = jax.vmap(functools.partial(chunks.learn, build_program(DQN)), (0, 0, 0, 0, 0, None))
    state, failed, _ = jax.jit(learn)(
        members.agent,
        broken,
        members.learn_key,
        members.target_counts,
        members.failed,
        jnp.int32(clock),
    )
    assert failed.tolist() == [False, True, False, False]
    kept, had = (arrays(policy._replace(optimizer=())) for policy in (state.policy, before))
    for new, old in zip(kept, had, strict=True):
        np.testing.assert_array_equal(new[1], old[1])
    for member in (0, 2, 3):
        assert any(
            (new[member] != old[member]).any()
            for new, old in zip(arrays(state.policy.params), arrays(before.params), strict=True)
        )


def test_a_lost_memory_is_filled_by_the_policies_of_now() -> None:
    state = trained(DQN_OF_TWO, [1, 2, 3, 4], [3, 0, 0, 0], iterations=8)
    clock, steps = int(state.clock), int(state.clock) // 2
    kept = [leaf.copy() for leaf in arrays((state.members.agent, state.members.target_counts))]
    statistics = jax.tree.map(np.array, state.members.statistics)
    blank = jax.tree.map(jnp.zeros_like, state.members.memory)
    lost = state._replace(members=state.members._replace(memory=blank))
    filled = chunks.refill(build_program(DQN_OF_TWO), single_device(), lost)
    assert int(filled.clock) == clock
    for one, other in zip(
        kept, arrays((filled.members.agent, filled.members.target_counts)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    memory = filled.members.memory
    written = np.asarray(memory.observation != 0).any(axis=(0, 2, 3))
    assert written.tolist() == [row <= steps for row in range(250)]
    for name in ("updates", "finished_return", "episodes"):
        np.testing.assert_array_equal(
            getattr(filled.members.statistics, name), getattr(statistics, name)
        )
    # Episodes that run now are those of the new memory: CartPole pays 1 for each valid step.
    ended = np.asarray(memory.terminated | memory.truncated)[:, :steps]
    valid = np.asarray(memory.valid)[:, :steps]
    for member in range(4):
        for place in range(2):
            last = np.flatnonzero(ended[member, :, place])
            since = last[-1] + 1 if len(last) else 0
            running = valid[member, since:, place].sum()
            assert float(filled.members.statistics.running_return[member, place]) == running


def test_agents_learn_nothing_while_a_lost_memory_is_filled() -> None:
    """Nor do the statistics by which observations are normalized: a policy would change by them."""
    state = trained(SAC_OF_TWO, [1, 2, 3, 4], [3, 0, 0, 0], iterations=8)
    kept = [leaf.copy() for leaf in arrays(state.members.agent)]
    seen = float(state.members.agent.statistics.seen[0])
    assert seen == pytest.approx(int(state.clock) + 2, abs=1e-3)  # the first observations, too
    filled = chunks.refill(build_program(SAC_OF_TWO), single_device(), state)
    assert np.asarray(filled.members.memory.valid).any(axis=(1, 2)).all()
    for one, other in zip(kept, arrays(filled.members.agent), strict=True):
        np.testing.assert_array_equal(one, other)


def primitives(jaxpr: jax.extend.core.Jaxpr, inside: tuple[str, ...] = ()) -> Iterator[tuple]:
    """Every equation of a jaxpr, with the names of the primitives it is nested in."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        yield equation, inside
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, (tuple, list)) else (parameter,):
                body = getattr(inner, "jaxpr", inner)
                if hasattr(body, "eqns"):
                    yield from primitives(body, (*inside, name))


def update_jaxpr(setting: Setting, clock_axis: int | None) -> list[tuple]:
    """The primitives of the vmapped update, as the training program contains it."""
    program = build_program(setting)
    state: Population = jax.eval_shape(lambda: fresh(setting, [0, 1], [0, 0]))
    clock = jnp.array([20, 20]) if clock_axis == 0 else jnp.int32(20)
    vmapped = jax.vmap(functools.partial(chunks.learn, program), (0, 0, 0, 0, 0, clock_axis))
    members = state.members
    jaxpr = jax.make_jaxpr(vmapped)(
        members.agent,
        members.memory,
        members.learn_key,
        members.target_counts,
        members.failed,
        clock,
    )
    return list(primitives(jaxpr.jaxpr))


def selections(setting: Setting, clock_axis: int | None) -> list[tuple[str, ...]]:
    """Where weights are ranked: nothing else takes the bits of a float32."""
    return [
        inside
        for equation, inside in update_jaxpr(setting, clock_axis)
        if equation.primitive.name == "bitcast_convert_type"
        and equation.invars[0].aval.dtype == jnp.float32
    ]


@pytest.mark.parametrize("setting", [SAC, DQN, SAC_OF_TWO], ids=str)
def test_the_selection_of_weights_is_inside_a_branch(setting: Setting) -> None:
    found = selections(setting, None)
    assert len(found) == sum(setting.layers.values())  # twins are ranked by one operation
    assert all("cond" in inside for inside in found)


def test_the_test_above_sees_a_batched_clock() -> None:
    found = selections(SAC, 0)
    assert found
    assert not any("cond" in inside for inside in found)


@pytest.mark.parametrize("setting", [SAC, DQN], ids=str)
def test_dense_gradients_are_computed_once(setting: Setting) -> None:
    """RigL reads those of the update: it multiplies no matrix that training without it does not."""

    def products(method: Method | None) -> int:
        program = build_program(setting)._replace(method=method)
        members = jax.eval_shape(lambda: fresh(setting, [0], [0])).members
        jaxpr = jax.make_jaxpr(
            jax.vmap(functools.partial(chunks.learn, program), (0, 0, 0, 0, 0, None))
        )(
            members.agent,
            members.memory,
            members.learn_key,
            members.target_counts,
            members.failed,
            jnp.int32(20),
        )
        return sum(one.primitive.name == "dot_general" for one, _ in primitives(jaxpr.jaxpr))

    rigl = DynamicSparseTraining(by_gradient, True, 0.5, 10, 60)
    assert products(rigl) == products(None) > 0


class BySlope:
    """A method that keeps the half of each layer of TD3's actor whose gradient is the larger."""

    begin, end, needs_gradients = 0, 100, True

    def init(self, params: Params, target_counts: jax.Array, key: jax.Array) -> Masks:
        return mask_rules.dense(params)

    def is_due(self, clock: jax.Array) -> jax.Array:
        return jnp.array(True)

    def update(self, network: Pruned, clock: jax.Array) -> Masks:
        return steep(network.masks, network.gradients)


def steep(masks: Masks, gradients: Params) -> Masks:
    halves = jnp.array([4, 12, 32])  # action, hidden_0, hidden_1
    return mask_rules.prune_per_layer(masks, jax.tree.map(jnp.abs, gradients), halves)


@pytest.mark.parametrize("clock", [22, 24], ids=["the actor waits", "the actor learns"])
def test_a_method_sees_the_gradient_of_a_policy_that_waits(clock: int) -> None:
    """TD3's actor learns at every second update; masks may be due at any."""
    members = collected(TD3, [1, 2, 3, 4], [9] * 4).members

    def learned(method: Method | None) -> Any:
        program = build_program(TD3)._replace(method=method)
        update = jax.vmap(functools.partial(chunks.learn, program), (0, 0, 0, 0, 0, None))
        return jax.jit(update)(
            members.agent,
            members.memory,
            members.learn_key,
            members.target_counts,
            members.failed,
            jnp.int32(clock),
        )[0]

    plain, masked = learned(None), learned(BySlope())
    waits = jax.tree.map(lambda a, b: bool((a == b).all()), plain.policy, members.agent.policy)
    assert all(jax.tree.leaves(waits)) == (clock == 22)
    keys = jax.vmap(lambda key: jax.random.fold_in(key, clock))(members.learn_key)
    keys = jax.vmap(lambda key: jax.random.fold_in(key, np.uint32(2**32 - 2)))(keys)
    gradient = jax.jit(jax.vmap(build_program(TD3).agent.policy_gradient, (0, 0, 0, None)))(
        plain, members.memory, keys, jnp.int32(clock)
    )
    wanted = jax.vmap(steep)(plain.policy.masks, gradient)
    for one, other in zip(arrays(masked.policy.masks), arrays(wanted), strict=True):
        assert other.mean() == 0.5
        assert (one == other).mean() > 0.97  # what is nearly equal may fall to either side


def test_the_dqn_target_is_copied_inside_a_branch() -> None:
    found = [one for one, _ in update_jaxpr(DQN, None) if one.primitive.name == "cond"]
    assert len(found) == 2  # the target and the masks


# Last, because from here on the file compiles as users do: members of one program, bit for bit.
@pytest.mark.usefixtures("compiled_as_usual")
@pytest.mark.parametrize("setting", [SAC, DQN, DQN_OF_TWO], ids=str)
def test_variants_of_a_seed_meet_the_same_world_until_their_masks_differ(setting: Setting) -> None:
    # The first mask changes at step 30, or 40 with two environments.
    both = trained(setting, [3, 3, 3, 3], [0, 9, 0, 0], iterations=4)
    for leaf in arrays(both.members._replace(target_counts={})):
        np.testing.assert_array_equal(leaf[0], leaf[1])
    later = trained(setting, [3, 3, 3, 3], [0, 9, 0, 0])
    alive = np.asarray(population.alive_counts(later))
    assert alive[0, 0] - alive[1, 0] == 9
    assert (alive[0, 1:] == alive[1, 1:]).all()


def test_two_devices_do_in_brax_what_one_does() -> None:
    """Not to be taken for granted: jaxlib 0.11.2 ended the process instead of compiling it."""
    config = from_mapping(
        {
            "environment": "brax/inverted_pendulum",
            "network": {"hidden": [8]},
            "replay": {"capacity": 50, "batch_size": 8},
        }
    )
    environment = make(config.environment)
    agent: Agent = build_agent(config, environment.spec, FLOAT32)
    program = Program(agent, environment, None)
    found = []
    for devices in (1, 2):
        mesh = population.mesh(jax.devices()[:devices])
        counts = {"policy": np.zeros((2, 3), np.int32)}
        state = population.init(program, mesh, np.arange(2, dtype=np.int32), counts)
        found.append(chunks.collect_chunk(program, mesh)(state, 5).members)
    for one, both in zip(*map(arrays, found), strict=True):
        np.testing.assert_allclose(one, both, rtol=1e-4, atol=1e-5)
    assert len(np.unique(found[0].memory.observation[:, :6].reshape(2 * 6, -1), axis=0)) == 12
