"""The state of all members: how it is made, forked, marked and spread over devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.population import forks
from sparse_rl.population import members as population
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.masking import first_masks
from sparse_rl.population.members import Program
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.masks import Masks, Params
from sparse_rl.sparsity.method import Pruned
from tests.population.training import (
    DQN,
    SAC,
    SAC_OF_TWO,
    arrays,
    build_program,
    counts,
    fresh,
    only,
    single_device,
    trained,
)


def test_fork_copies_parents() -> None:
    state = trained(DQN, [0, 1, 2, 3], [0, 0, 0, 0], iterations=3)
    before = [leaf.copy() for leaf in arrays(state.members)]
    parents = np.array([2, 0, 0, 3, 1])
    forked = only(forks.fork(Cohorts((state,)), parents, (5,), single_device()))
    for old, new in zip(before, arrays(forked.members), strict=True):
        np.testing.assert_array_equal(new, old[parents])
    assert int(forked.clock) == int(state.clock)


@pytest.mark.parametrize(
    ("devices", "sizes"), [(1, {1: 1, 3: 3, 10: 10}), (2, {1: 2, 3: 4, 10: 10})]
)
def test_padding_fills_the_devices(devices: int, sizes: dict[int, int]) -> None:
    mesh = population.mesh(jax.devices()[:devices])
    assert {count: population.padded(count, mesh) for count in sizes} == sizes


def test_members_lie_evenly_on_the_devices_and_draw_by_their_seed_alone() -> None:
    mesh, dead = population.mesh(jax.devices()[:2]), counts(DQN, {"policy": [1, 2, 3, 4]})
    both = population.init(build_program(DQN), mesh, np.array([7, 8, 9, 7], np.int32), dead)
    for leaf in jax.tree.leaves(both.members):
        assert [shard.data.shape[0] for shard in leaf.addressable_shards] == [2, 2]
    one = fresh(DQN, [7, 8, 9, 7], [1, 2, 3, 4])
    for shared, single in zip(arrays(both.members), arrays(one.members), strict=True):
        np.testing.assert_allclose(shared, single, rtol=1e-6)
    same = [leaf[0] == leaf[3] for leaf in arrays(one.members._replace(target_counts={}))]
    assert all(np.all(each) for each in same)
    keys = np.asarray(jax.random.key_data(one.members.act_key))
    assert len({tuple(key) for key in keys}) == 3


def test_a_log_begins_with_empty_sums_and_episodes_go_on() -> None:
    state = trained(DQN, [0, 1, 2, 3], [0, 0, 0, 0], iterations=3)
    running = np.asarray(state.members.statistics.running_return)
    assert running.any()
    statistics = population.with_empty_statistics(state).members.statistics
    np.testing.assert_array_equal(statistics.running_return, running)
    rest = statistics._replace(running_return=jnp.zeros(1))
    assert not any(leaf.any() for leaf in arrays(rest))


def test_members_whose_weights_are_not_finite_have_failed() -> None:
    state = fresh(DQN, [0, 1, 2, 3], [0, 0, 0, 0])
    agent = state.members.agent
    target = jax.tree.map(lambda leaf: leaf.at[2].set(jnp.inf), agent.target)
    members = state.members._replace(
        agent=agent._replace(target=target), failed=jnp.array([True, False, False, False])
    )
    agent = build_program(DQN).agent
    found = population.with_failures(state._replace(members=members), agent)
    assert found.members.failed.tolist() == [True, False, True, False]


class Drawn:
    """A method that is sparse from the first step, by chance alone."""

    begin, end, needs_gradients = 0, 0, False

    def init(self, params: Params, target_counts: jax.Array, key: jax.Array) -> Masks:
        masks, structure = jax.tree.flatten(mask_rules.dense(params))
        keys = jax.random.split(key, len(masks))
        for i, mask in enumerate(masks):
            first = jax.random.randint(keys[i], (), 0, mask.size)
            places = (jnp.arange(mask.size) + first) % mask.size
            masks[i] = (places >= target_counts[i]).reshape(mask.shape)
        return jax.tree.unflatten(structure, masks)

    def is_due(self, clock: jax.Array) -> jax.Array:
        return clock < 0

    def update(self, network: Pruned, clock: jax.Array) -> Masks:
        return network.masks


def test_a_method_may_be_sparse_from_the_start() -> None:
    """Exact in every network and twin, each by chances of its own; zeros are in place."""
    program = build_program(SAC_OF_TWO)._replace(method=Drawn())
    dead = counts(SAC_OF_TWO, {"policy": [9, 9, 0], "critics": [4, 4, 0]})
    dead["policy"][:2, 1] = 30
    state = population.init(program, single_device(), np.array([1, 2, 1], np.int32), dead)
    agent = state.members.agent
    policy = np.asarray(agent.policy.masks["params"]["hidden_1"]["kernel"])
    assert [(~mask).sum() for mask in policy] == [30, 30, 0]
    assert (policy[0] != policy[1]).any()
    head = np.asarray(agent.critics.masks["params"]["head"]["kernel"])
    assert (~head).sum(axis=(2, 3)).tolist() == [[4, 4], [4, 4], [0, 0]]
    assert (head[0, 0] != head[0, 1]).any()
    for params in (agent.critics.params, agent.targets):
        assert (np.asarray(params["params"]["head"]["kernel"])[~head] == 0).all()
    alive = np.asarray(population.alive_counts(state))
    sizes = [leaf[0].size for leaf in jax.tree.leaves(agent.policy.masks)]
    np.testing.assert_array_equal(sizes - alive, dead["policy"])


def test_keys_for_masks_are_nobody_elses() -> None:
    """Not those that learning draws its batches from, nor those of another step."""
    key = jax.random.key(3)
    step = jax.random.fold_in(key, 40)
    for_masks = population.mask_key(key, jnp.int32(40))
    others = [
        step,
        *(jax.random.split(step, 64)),
        *(jax.random.fold_in(step, i) for i in range(64)),
    ]
    others += [population.mask_key(key, jnp.int32(clock)) for clock in (0, 39, 41)]
    found = {tuple(jax.random.key_data(other).tolist()) for other in others}
    assert tuple(jax.random.key_data(for_masks).tolist()) not in found


def test_a_program_without_a_method_leaves_masks_dense() -> None:
    program: Program = build_program(SAC)._replace(method=None)
    state = program.agent.init(jax.random.key(0))
    dead = {"policy": jnp.array([5, 5, 5, 5])}
    same = first_masks(program.agent, program.method, state, dead, jax.random.key(0))
    assert same is state
    assert all(mask.all() for mask in jax.tree.leaves(same.policy.masks))
