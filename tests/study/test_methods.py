"""What some methods keep or need beside masks, through a study's phases."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.population import chunks
from sparse_rl.population import members as population
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.members import Population
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.study import memory
from sparse_rl.study.continuation import StudyState, enter_next
from sparse_rl.study.measurement import measure
from sparse_rl.study.preparation import Study, prepare
from tests.population.training import only


def tiny(*methods: str, **changes: Any) -> Config:
    return from_mapping(
        {
            "environment": "probe/termination?actions=continuous",
            "seeds": 2,
            "network": {"hidden": [8]},
            "replay": {"capacity": 60, "batch_size": 4},
            "training": {"steps": 40, "learning_starts": 8},
            "sparsity": {
                "levels": [0, 0.5],
                "critic_levels": [0, 0.5],
                "methods": list(methods),
                "interval": 4,
            },
            "quantization": {"modes": []},
            "devices": 1,
        }
        | changes
    )


def with_random_masks(study: Study, state: Population) -> Population:
    """As many weights dead as are to be, at random."""
    agent = study.agent(study.phases[0])
    fields, counts = state.members.agent, state.members.target_counts
    for i, name in enumerate(agent.prunable):
        network = getattr(fields, name)
        scores = mask_rules.random_scores(network.params, jax.random.key(i))
        per_member = mask_rules.keep_per_layer
        if agent.prunable[name]:
            per_member = jax.vmap(per_member, (0, 0, None))
        masks = jax.vmap(per_member)(network.masks, scores, counts[name])
        fields = fields._replace(**{name: network.with_masks(masks)})
    return state._replace(members=state.members._replace(agent=fields))


def test_a_lottery_ticket_is_the_first_weights_with_the_final_masks() -> None:
    study = prepare(tiny("gradual", "lottery"))
    labels = [phase.label for phase in study.phases]
    before, tuned = labels.index("prefill lottery") - 1, labels.index("finetune")
    dense = only(study.fresh(study.phases[tuned]))  # of the same seeds
    giving = jax.jit(lambda state: with_random_masks(study, state))(dense)
    given = Cohorts((giving,))
    phase = study.phases[before + 1]
    entered = enter_next(study, StudyState(before, given, {tuned: given}))
    assert entered.ends == {} and int(entered.state.clock) == 0
    started = only(entered.state).members.agent
    for place, ticket in enumerate(phase.members):
        (donor,) = (
            i
            for i, member in enumerate(study.phases[tuned].members)
            if member.seed == ticket.seed
            and member.variant.sparsity == ticket.variant.sparsity
            and member.variant.critic_sparsity == ticket.variant.critic_sparsity
        )
        found, first = started, dense.members.agent
        for name in ("policy", "critics"):
            masks = jax.tree.map(
                lambda leaf, i=donor: leaf[i], getattr(giving.members.agent, name).masks
            )
            mine = jax.tree.map(lambda leaf, i=place: leaf[i], getattr(found, name))
            weights = jax.tree.map(lambda leaf, i=donor: leaf[i], getattr(first, name).params)
            for one, other in zip(jax.tree.leaves(mine.masks), jax.tree.leaves(masks), strict=True):
                np.testing.assert_array_equal(one, other)
            wanted = mask_rules.apply(masks, weights)
            for one, other in zip(
                jax.tree.leaves(mine.params), jax.tree.leaves(wanted), strict=True
            ):
                np.testing.assert_array_equal(one, other)
            if name == "critics":
                targets = jax.tree.map(lambda leaf, i=place: leaf[i], found.targets)
                for one, other in zip(
                    jax.tree.leaves(targets), jax.tree.leaves(wanted), strict=True
                ):
                    np.testing.assert_array_equal(one, other)
    dead = [
        sum(int((~mask).sum()) for mask in jax.tree.leaves(network.masks))
        for network in (started.policy, started.critics)
    ]
    assert min(dead) > 0


def test_the_masks_that_a_lottery_waits_for_count_as_memory() -> None:
    with_lottery = prepare(tiny("gradual", "lottery", quantization={"modes": ["int8"]}))
    phases = list(with_lottery.phases)
    first = [phase.label for phase in phases].index("prefill lottery")
    held = len(phases[phases[first].masks_from].members) + len(phases[first].members)
    assert memory.most_members(with_lottery, phases[: first + 1]) >= held


@pytest.fixture(scope="module")
def straight_through() -> tuple[Study, Population]:
    """After training beyond the last choice of masks."""
    study = prepare(tiny("ste", "gradual"))
    (prune,) = (phase for phase in study.phases if phase.label == "prune ste")
    (start,) = (phase for phase in study.phases if phase.label == "prefill ste")
    program = study.program(prune)
    collect, train = (
        make(program, study.mesh) for make in (chunks.collect_chunk, chunks.train_chunk)
    )
    state = collect(only(study.fresh(start)), jnp.int32(8))
    return study, train(state, jnp.int32(25))


def test_dead_is_exactly_zero_and_dense_weights_learn_behind(
    straight_through: tuple[Study, Population],
) -> None:
    study, state = straight_through
    agent = state.members.agent
    for network in (agent.policy, agent.critics):
        masks = jax.tree.leaves(network.masks)
        kernels = [
            leaf for leaf in jax.tree.leaves(network.params) if leaf.ndim > masks[0].ndim - 1
        ]
        behind = [leaf for leaf in jax.tree.leaves(network.dense) if leaf.ndim > masks[0].ndim - 1]
        for mask, kernel, dense in zip(masks, kernels, behind, strict=True):
            mask, kernel, dense = map(np.asarray, (mask, kernel, dense))
            assert (kernel[~mask] == 0).all()
            np.testing.assert_array_equal(kernel[mask], dense[mask])
            assert (dense[~mask] != 0).mean() > 0.9
    (phase,) = (phase for phase in study.phases if phase.label == "prune ste")
    for network, counts in study.target_counts(study.pad(phase.members)).items():
        alive = np.asarray(population.alive_counts(state, network))
        twins = 2 if network == "critics" else 1
        sizes = [np.prod(layer.shape) for layer in study.layers[network]]
        np.testing.assert_array_equal(alive, twins * (np.array(sizes) - counts))
    # What is evaluated, delivered and bootstrapped from is the sparse network.
    built = study.agent(phase)
    assert built.variables(agent)["params"] is agent.policy.params["params"]
    for mask, target in zip(
        jax.tree.leaves(agent.critics.masks),
        [leaf for leaf in jax.tree.leaves(agent.targets) if leaf.ndim == 4],
        strict=True,
    ):
        assert (np.asarray(target)[~np.asarray(mask)] == 0).all()


def test_the_largest_of_the_dense_weights_act(
    straight_through: tuple[Study, Population],
) -> None:
    """At the end of an update whose masks were due, which the last one of pruning is."""
    policy = straight_through[1].members.agent.policy
    for layer in policy.masks["params"]:
        masks = np.asarray(policy.masks["params"][layer]["kernel"])
        dense = np.abs(np.asarray(policy.dense["params"][layer]["kernel"]))
        for mask, size in zip(masks, dense, strict=True):
            if not mask.all():
                assert size[~mask].max() <= size[mask].min()


def test_later_phases_keep_the_dense_weights(straight_through: tuple[Study, Population]) -> None:
    """Checkpoints are read into the shapes of a phase."""
    study, state = straight_through
    for phase in study.phases:
        if phase.method == "ste":
            assert jax.tree.structure(only(study.shapes(phase))) == jax.tree.structure(state)
    plain = memory.of_one_member(prepare(tiny("gradual")))
    assert memory.of_one_member(study).networks > plain.networks


def test_the_winner_goes_on_alone_when_the_competition_ends() -> None:
    config = tiny(
        "gradual",
        "adaptive",
        environment="probe/termination?actions=discrete",
        agent={"name": "dqn", "target_interval": 4},
        sparsity={
            "levels": [0, 0.5],
            "methods": ["gradual", "adaptive"],
            "interval": 4,
            "adaptive": {"networks": 3, "drop_fraction": 0.9},
        },
        quantization={"modes": ["int8"]},
    )
    study = prepare(config)
    labels = [phase.label for phase in study.phases]
    index = labels.index("prune adaptive")
    phase = study.phases[index]
    before = only(study.fresh(study.phases[index - 1]))
    collected = chunks.collect_chunk(study.program(study.phases[index - 1]), study.mesh)(before, 8)
    most = np.asarray(collected.members.agent.most_dead)
    np.testing.assert_array_equal(most, study.target_counts(phase.members)["policy"])
    state = chunks.train_chunk(study.program(phase), study.mesh)(collected, phase.end - phase.begin)
    learned = state.members.agent
    params = jax.tree.map(lambda leaf: leaf.at[0, 1].set(jnp.nan), learned.rivals.params)
    learned = learned._replace(rivals=learned.rivals._replace(params=params))
    with_nan = state._replace(members=state.members._replace(agent=learned))
    judged = population.with_failures(with_nan, study.agent(phase))
    assert not judged.members.failed.any(), "a rival that is no network loses, and nothing else"
    policy, target = jax.device_get((state.members.agent.policy, state.members.agent.target))
    dead = [(~mask).sum(axis=tuple(range(1, mask.ndim))) for mask in jax.tree.leaves(policy.masks)]
    assert (np.stack(dead, 1) <= most).all() and np.sum(dead) > 0
    for after, name in ((index + 1, "finetune adaptive"), (index + 2, "quantize adaptive int8")):
        reached = enter_next(study, StudyState(after - 1, Cohorts((state,)), {}))
        assert study.phases[after].label == name
        alone = only(reached.state).members.agent
        assert alone._fields == ("policy", "target", "statistics")
        jax.tree.map(np.testing.assert_array_equal, alone.policy, policy)
        jax.tree.map(np.testing.assert_array_equal, alone.target, target)
        shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), reached.state)
        wanted = jax.tree.map(
            lambda leaf: (leaf.shape, leaf.dtype), study.shapes(study.phases[after])
        )
        assert shapes == wanted, "as a checkpoint of this phase is read"
        state = only(reached.state)


def test_networks_that_compete_count_as_memory() -> None:
    changes: dict[str, Any] = {
        "environment": "probe/termination?actions=discrete",
        "agent": {"name": "dqn"},
    }
    levels = {"levels": [0, 0.5], "interval": 4}
    alone = prepare(tiny(**changes, sparsity={**levels, "methods": ["gradual"]}))
    five = prepare(tiny(**changes, sparsity={**levels, "methods": ["gradual", "adaptive"]}))
    one, all_of_them = memory.of_one_member(alone), memory.of_one_member(five)
    # Four more networks with masks and moments; the target is one.
    assert 3.5 * one.networks < all_of_them.networks < 5 * one.networks


@pytest.mark.parametrize("method", ["static", "ste", "lottery"])
def test_a_sparse_dqn_begins_with_a_target_that_is_itself(method: str) -> None:
    """As long as it has learned nothing: a dense one would be another, random network."""
    methods = ("gradual", "lottery") if method == "lottery" else (method,)
    study = prepare(
        tiny(
            *methods,
            environment="probe/termination?actions=discrete",
            agent={"name": "dqn"},
            sparsity={"levels": [0, 0.5], "methods": list(methods), "interval": 4},
        )
    )
    state = only(study.fresh(study.phases[0]))
    if method == "lottery":
        labels = [phase.label for phase in study.phases]
        before, tuned = labels.index("prefill lottery") - 1, labels.index("finetune")
        dense = only(study.fresh(study.phases[tuned]))
        giving = jax.jit(lambda state: with_random_masks(study, state))(dense)
        given = Cohorts((giving,))
        state = only(enter_next(study, StudyState(before, given, {tuned: given})).state)
    agent = state.members.agent
    assert not all(mask.all() for mask in jax.tree.leaves(agent.policy.masks))
    for one, other in zip(
        jax.tree.leaves(agent.policy.params), jax.tree.leaves(agent.target), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("agent", ["sac", "ppo"])
def test_the_sparsity_of_critics_is_counted_whatever_they_are_called(agent: str) -> None:
    values: dict[str, Any] = {
        "environment": "probe/termination?actions=continuous",
        "agent": {"name": agent}
        | ({"rollout_steps": 4, "batch_size": 4} if agent == "ppo" else {}),
        "network": {"hidden": [8]},
        "training": {"steps": 40} | ({"learning_starts": 8} if agent == "sac" else {}),
        "sparsity": {"levels": [0, 0.5], "critic_levels": [0, 0.5], "methods": ["static"]},
        "quantization": {"modes": []},
        "devices": 1,
    }
    study = prepare(from_mapping(values))
    phase = study.phases[0]
    found = measure(study, study.fresh(phase))["critic_sparsity"]
    wanted = [member.variant.critic_sparsity for member in phase.members]
    np.testing.assert_allclose(found, wanted, atol=0.05)  # of few weights
    assert max(found) > 0.4


def test_a_layer_in_groups_loses_whole_weights_of_each_and_not_its_share() -> None:
    """2:4 along the inputs: two of four, and of what is left over all but two."""
    levels = {"levels": [0, 0.5], "critic_levels": [0, 0.5], "interval": 4}
    study = prepare(
        tiny(
            network={"hidden": [7, 9, 6]},
            sparsity={**levels, "methods": ["gradual", "n_m"]},
        )
    )
    sparse = [
        member
        for phase in study.phases
        for member in phase.members
        if member.variant.method == "n_m"
        and member.variant.sparsity == member.variant.critic_sparsity == 0.5
    ]
    assert sparse
    for network, found in study.target_counts(tuple(sparse)).items():
        shapes = [layer.shape for layer in study.layers[network]]
        assert {inputs % 4 for inputs, _ in shapes} >= {1, 2, 3}
        wanted = [
            outputs * (2 * (inputs // 4) + max(0, inputs % 4 - 2)) for inputs, outputs in shapes
        ]
        for counts in found:
            np.testing.assert_array_equal(counts, wanted, network)
