"""Small populations that have trained a little, and what is in them."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sparse_rl.agents.agent import Agent
from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import make
from sparse_rl.population import chunks
from sparse_rl.population import members as population
from sparse_rl.population.cohorts import Cohorts
from sparse_rl.population.members import Population, Program
from sparse_rl.sparsity.gradual import CubicSchedule, GradualPruning
from sparse_rl.study.preparation import build_agent

COLLECTED = 20
"""Random steps before training; masks change at 20, 30, ... 60 where these are ends of updates."""


class Setting(NamedTuple):
    """What a population is made of.

    Programs are compiled for each, and for each number of members: tests share four members.
    """

    agent: str
    environments: int = 1
    gradient_steps: int = 1
    sparse_critics: bool = False
    normalize: bool = False

    @property
    def layers(self) -> dict[str, int]:
        """How many prunable layers each network has."""
        policy = {"sac": 4, "dqn": 3, "td3": 3}[self.agent]
        return {"policy": policy} | ({"critics": 3} if self.sparse_critics else {})


SAC, DQN, TD3 = Setting("sac"), Setting("dqn"), Setting("td3")
SAC_OF_TWO = Setting("sac", environments=2, sparse_critics=True, normalize=True)
DQN_OF_TWO = Setting("dqn", environments=2, gradient_steps=3)
"""Two environments, and all else that is not the default: few settings, few compilations."""


@functools.cache
def build_program(setting: Setting) -> Program:
    pendulum = "gymnax/Pendulum-v1"
    environments = {"sac": pendulum, "dqn": "gymnax/CartPole-v1", "td3": pendulum}
    environment = environments[setting.agent]
    config = from_mapping(
        {
            "environment": environment,
            "agent": {"name": setting.agent},
            "network": {"hidden": [8, 8], "normalize": setting.normalize},
            "replay": {"capacity": 500, "batch_size": 8},
            "training": {
                "steps": 1200,
                "learning_starts": 20,
                "train_frequency": 2,
                "environments": setting.environments,
                "gradient_steps": setting.gradient_steps,
            },
            "sparsity": {
                "interval": 20,
                "critic_levels": [0, 0.5] if setting.sparse_critics else [0],
            },
            "quantization": {"modes": []},
        }
    )
    world = make(config.environment)
    agent: Agent = build_agent(config, world.spec, FLOAT32)
    return Program(agent, world, GradualPruning(CubicSchedule(20, 60, 10)))


@functools.cache
def single_device() -> jax.sharding.Mesh:
    return population.mesh(jax.devices()[:1])


@functools.cache
def programs(setting: Setting) -> tuple[chunks.Chunk, chunks.Chunk]:
    """Collecting and training, compiled once per number of members."""
    program, mesh = build_program(setting), single_device()
    return chunks.collect_chunk(program, mesh), chunks.train_chunk(program, mesh)


def counts(setting: Setting, dead: dict[str, list[int]], layer: int = 0) -> dict[str, np.ndarray]:
    """Final numbers of dead weights: those of `dead` in one layer, and none in the others."""
    found = {}
    for name, layers in setting.layers.items():
        members = len(next(iter(dead.values())))
        found[name] = np.zeros((members, layers), np.int32)
        found[name][:, layer] = dead.get(name, 0)
    return found


def only(cohorts: Cohorts) -> Population:
    """All members of a study that has so few that they are one cohort."""
    (part,) = cohorts.parts
    return part


def fresh(
    setting: Setting, seeds: list[int], pruned: list[int] | dict[str, list[int]]
) -> Population:
    """`pruned` weights of the first layer of the policy, or of each network, are to go."""
    dead = pruned if isinstance(pruned, dict) else {"policy": pruned}
    return population.init(
        build_program(setting), single_device(), np.array(seeds, np.int32), counts(setting, dead)
    )


def collected(
    setting: Setting, seeds: list[int], pruned: list[int] | dict[str, list[int]]
) -> Population:
    """Twenty random steps of all of a member's environments together."""
    steps = jnp.int32(COLLECTED // setting.environments)
    return programs(setting)[0](fresh(setting, seeds, pruned), steps)


def trained(
    setting: Setting,
    seeds: list[int],
    pruned: list[int] | dict[str, list[int]],
    iterations: int = 25,
) -> Population:
    """Twenty random steps, then training."""
    return programs(setting)[1](collected(setting, seeds, pruned), jnp.int32(iterations))


def arrays(tree: object) -> Iterator[np.ndarray]:
    for leaf in jax.tree.leaves(tree):
        typed = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        yield np.asarray(jax.random.key_data(leaf) if typed else leaf)
