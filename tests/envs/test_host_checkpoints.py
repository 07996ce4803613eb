"""Populations in environments on the host: a fork and a resume from disk change no bit.

What the suites' own tests say of an environment's state is said here of a whole population: its
memories, its episodes, its counts, through the files of a checkpoint, in environments made anew.
"""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl import envs
from sparse_rl.checkpoints.checkpoint import Checkpoints
from sparse_rl.checkpoints.manifest import Position
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.config.sections import CheckpointConfig
from sparse_rl.population import chunks, forks
from sparse_rl.population import members as population
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.members import Population
from sparse_rl.study.preparation import Study, prepare
from tests.population.training import only

BEFORE, AFTER = 30, 40

CASES = [
    pytest.param("mujoco/Hopper-v4?impl=host", "sac", "mlp", "gymnasium", id="Hopper"),
    pytest.param("atari/Pong?time_limit=25", "dqn", "nature", "ale_py", id="Pong"),
    pytest.param("gymnasium/LunarLander-v3?time_limit=45", "dqn", "mlp", "Box2D", id="LunarLander"),
]


def configure(environment: str, agent: str, torso: str) -> Config:
    return from_mapping(
        {
            "environment": environment,
            "seeds": 2,
            "devices": 1,
            "agent": {"name": agent},
            "network": {"torso": torso, "hidden": [4]},
            "replay": {"capacity": 100, "batch_size": 4},
            "training": {"steps": 400, "learning_starts": BEFORE + AFTER},
            "sparsity": {"interval": 6},
            "quantization": {"modes": []},
        }
    )


def begin(study: Study) -> Population:
    """Members before their first step; those who only collect need no weights, so these are 0."""

    def blank(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.split(jax.random.key(7), leaf.shape)
        return jnp.zeros(leaf.shape, leaf.dtype)

    members, clock = jax.tree.map(blank, only(study.shapes(study.phases[0])))
    program = study.program(study.phases[0])
    keys = jax.random.split(jax.random.key(1), 2)
    world, observation = population.reset(program, keys)
    memory = members.memory._replace(
        observation=members.memory.observation.at[:, 0].set(observation),
    )
    return Population(members._replace(environment=world, memory=memory), clock)


def arrays(state: Population) -> dict[str, np.ndarray]:
    found = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(state.members)[0]:
        typed = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        found[jax.tree_util.keystr(path)] = np.array(jax.random.key_data(leaf) if typed else leaf)
    return found


@pytest.mark.parametrize(("environment", "agent", "torso", "package"), CASES)
def test_a_fork_and_a_run_resumed_from_disk_go_on_exactly(
    tmp_path: Path, environment: str, agent: str, torso: str, package: str
) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}")
    config = configure(environment, agent, torso)
    first = prepare(config)
    phase = first.phases[0]
    chunk = chunks.collect_chunk(first.program(phase), first.mesh)
    state = chunk(begin(first), np.int32(BEFORE))
    store = Checkpoints(tmp_path, CheckpointConfig(), config.digest(), [2] * len(first.phases))
    folder = store.save(Position(0, BEFORE, 0), Cohorts((state,)), {}).path
    expected = arrays(chunk(state, np.int32(AFTER)))
    # Each environment saw an episode end after the checkpoint: a reset is in what is compared.
    assert not expected[".memory.valid"][:, BEFORE + 1 : BEFORE + AFTER].all(axis=1).any()

    envs.make.cache_clear()  # another process has nothing but the files
    again = prepare(config)
    assert again.environment is not first.environment
    chunk = chunks.collect_chunk(again.program(phase), again.mesh)
    resumed, _ = store.load(folder, again.shapes(phase), len(phase.members), again.mesh)
    for name, values in arrays(chunk(only(resumed), np.int32(AFTER))).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)

    # Two children of one parent, in the same shape, so that nothing is compiled once more: one of
    # them finds the parent's simulator, the other has to put one into its state.
    parents = np.array([1, 1])
    saved, _ = store.load(folder, again.shapes(phase), len(phase.members), again.mesh)
    forked = forks.fork(saved, parents, (2,), again.mesh)
    children = chunk(only(forked), np.int32(AFTER))
    for name, values in arrays(children).items():
        np.testing.assert_array_equal(values, expected[name][parents], err_msg=name)
