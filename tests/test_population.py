"""The population: members do not see each other, clocks stay unbatched, forks are copies."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl import population
from sparse_rl.agents.build import build
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.population import Population, Program
from sparse_rl.sparsity.method import GradualPruning
from sparse_rl.sparsity.schedules import CubicSchedule

LAYERS = 4

pytestmark = pytest.mark.usefixtures("compiled_as_usual")


def configure(agent: str) -> Config:
    environment = {"sac": "gymnax/Pendulum-v1", "dqn": "gymnax/CartPole-v1"}[agent]
    return from_mapping(
        {
            "environment": environment,
            "agent": {"name": agent},
            "network": {"hidden": [8, 8]},
            "replay": {"capacity": 500, "batch_size": 8},
            "training": {"steps": 1000, "learning_starts": 20, "train_frequency": 2},
            "sparsity": {"interval": 10},
            **({"quantization": {"modes": []}}),
        }
    )


@functools.cache
def build_program(agent: str) -> Program:
    config = configure(agent)
    environment = make(config.environment)
    pruning = GradualPruning(CubicSchedule(20, 60, 10))
    return Program(
        build(config, environment.spec, FLOAT32),
        environment,
        config.replay,
        config.training,
        config.agent.discount,
        pruning,
    )


@functools.cache
def single_device() -> jax.sharding.Mesh:
    return population.mesh(jax.devices()[:1])


@functools.cache
def chunks(agent: str) -> tuple[population.Chunk, population.Chunk]:
    """Collecting and training, compiled once per number of members."""
    program, mesh = build_program(agent), single_device()
    return population.collect_chunk(program, mesh), population.train_chunk(program, mesh)


def trained(agent: str, seeds: list[int], pruned: list[int], iterations: int = 25) -> Population:
    """Twenty random steps, then training; `pruned` weights of the first layer go."""
    collect, train = chunks(agent)
    layers = LAYERS if agent == "sac" else LAYERS - 1
    counts = np.zeros((len(seeds), layers), np.int32)
    counts[:, 0] = pruned
    state = population.init(
        build_program(agent), single_device(), jnp.array(seeds), jnp.asarray(counts)
    )
    return train(collect(state, jnp.int32(20)), jnp.int32(iterations))


def arrays(tree: object) -> Iterator[np.ndarray]:
    for leaf in jax.tree.leaves(tree):
        typed = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        yield np.asarray(jax.random.key_data(leaf) if typed else leaf)


@pytest.mark.parametrize("agent", ["sac", "dqn"])
def test_a_member_does_not_depend_on_the_others(agent: str) -> None:
    alone = trained(agent, [3], [7])
    among = trained(agent, [5, 3, 3, 8], [0, 7, 11, 20])
    # Random bits and masks are exactly the same, floats to the order of summation.
    for one, many in zip(arrays(alone.members), arrays(among.members), strict=True):
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one[0], many[1], rtol=2e-3, atol=2e-4)
        else:
            np.testing.assert_array_equal(one[0], many[1])


@pytest.mark.parametrize("agent", ["sac", "dqn"])
def test_arms_of_a_seed_meet_the_same_world_until_their_masks_differ(agent: str) -> None:
    both = trained(
        agent, [3, 3, 3, 3], [0, 9, 0, 0], iterations=4
    )  # the first mask changes at step 30
    for leaf in arrays(both.members._replace(pruned=jnp.zeros(4))):
        np.testing.assert_array_equal(leaf[0], leaf[1])
    later = trained(agent, [3, 3, 3, 3], [0, 9, 0, 0], iterations=25)
    alive = np.asarray(population.alive_counts(later))
    assert alive[0, 0] - alive[1, 0] == 9
    assert (alive[0, 1:] == alive[1, 1:]).all()


def test_final_sparsity_is_exact_and_dead_weights_and_moments_are_zero() -> None:
    state = trained("sac", [0, 1, 2, 3], [5, 20, 0, 1], iterations=25)
    assert int(state.clock) == 70  # beyond the last mask update, at 60
    policy = state.members.agent.policy
    mask = np.asarray(policy.masks["params"]["hidden_0"]["kernel"])
    assert [(~member).sum() for member in mask] == [5, 20, 0, 1]
    moments = [part for part in jax.tree.leaves(policy.optimizer) if part.shape == mask.shape]
    assert len(moments) == 2
    for tensor in [policy.params["params"]["hidden_0"]["kernel"], *moments]:
        assert (np.asarray(tensor)[~mask] == 0).all()
        assert (np.asarray(tensor)[mask] != 0).mean() > 0.9


def test_fork_copies_parents() -> None:
    state = trained("dqn", [0, 1, 2, 3], [0, 0, 0, 0], iterations=3)
    before = [leaf.copy() for leaf in arrays(state.members)]
    parents = np.array([2, 0, 0, 3, 1])
    forked = population.fork(state, parents, single_device())
    for old, new in zip(before, arrays(forked.members), strict=True):
        np.testing.assert_array_equal(new, old[parents])
    assert int(forked.clock) == int(state.clock)


def test_how_a_phase_is_cut_into_chunks_changes_nothing() -> None:
    whole = trained("dqn", [4, 6, 7, 8], [3, 0, 0, 0], iterations=20)
    compiled = chunks("dqn")[1]._cache_size()
    state = trained("dqn", [4, 6, 7, 8], [3, 0, 0, 0], iterations=0)
    chunk = chunks("dqn")[1]
    for iterations in (1, 12, 7):
        state = chunk(state, jnp.int32(iterations))
    for one, other in zip(arrays(whole), arrays(state), strict=True):
        np.testing.assert_array_equal(one, other)
    assert chunk._cache_size() == compiled


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


def update_jaxpr(agent: str, clock_axis: int | None) -> list[tuple]:
    """The primitives of the vmapped update, as the training program contains it."""
    program = build_program(agent)
    layers = LAYERS if agent == "sac" else LAYERS - 1
    state = jax.eval_shape(
        lambda: population.init(
            program, single_device(), jnp.arange(2), jnp.zeros((2, layers), jnp.int32)
        )
    )
    clock = jnp.array([20, 20]) if clock_axis == 0 else jnp.int32(20)
    vmapped = jax.vmap(functools.partial(population.learn, program), (0, 0, 0, 0, 0, clock_axis))
    members = state.members
    jaxpr = jax.make_jaxpr(vmapped)(
        members.agent, members.ring, members.learn_key, members.pruned, members.failed, clock
    )
    return list(primitives(jaxpr.jaxpr))


def selections(agent: str, clock_axis: int | None) -> list[tuple[str, ...]]:
    """Where weights are ranked: nothing else takes the bits of a float32."""
    return [
        inside
        for equation, inside in update_jaxpr(agent, clock_axis)
        if equation.primitive.name == "bitcast_convert_type"
        and equation.invars[0].aval.dtype == jnp.float32
    ]


@pytest.mark.parametrize("agent", ["sac", "dqn"])
def test_the_selection_of_weights_is_inside_a_branch(agent: str) -> None:
    found = selections(agent, None)
    assert len(found) == (LAYERS if agent == "sac" else LAYERS - 1)
    assert all("cond" in inside for inside in found)


def test_the_test_above_sees_a_batched_clock() -> None:
    found = selections("sac", 0)
    assert found
    assert not any("cond" in inside for inside in found)


def test_the_dqn_target_is_copied_inside_a_branch() -> None:
    found = [one for one, _ in update_jaxpr("dqn", None) if one.primitive.name == "cond"]
    assert len(found) == 2  # the target and the masks


def test_padding_fills_the_devices() -> None:
    assert population.padded(10, single_device()) == 10
    assert population.padded(3, single_device()) == 3
