"""Small on-policy agents, a batch for them, and their pieces in NumPy."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from sparse_rl.agents.on_policy import OnPolicyState, Steps
from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.dot_products import FLOAT32
from sparse_rl.spaces import Continuous, Discrete, EnvSpec
from sparse_rl.study.preparation import build_agent
from tests.agents.reference import Tree, dense, leaves, scaled

BATCH, INPUTS, ACTIONS = 6, 3, 2


def agent_of(name: str, kind: str, normalize: bool = False, **options: Any) -> Any:
    """An agent on vectors of three numbers, with one tanh layer of four units."""
    box = Continuous((-1.0,) * ACTIONS, (1.0,) * ACTIONS)
    space = Discrete(ACTIONS) if kind == "discrete" else box
    spec = EnvSpec("numbers", (INPUTS,), np.dtype(np.float32), space, 100)
    return build_agent(configuration(name, normalize, **options), spec, FLOAT32)


def configuration(name: str, normalize: bool, **options: Any) -> Config:
    return from_mapping(
        {
            "environment": "gymnax/Pendulum-v1",
            "agent": {"name": name, "rollout_steps": 8, **options},
            "network": {
                "hidden": [4],
                "activation": "tanh",
                "initializer": "orthogonal",
                "normalize": normalize,
            },
            "training": {"steps": 8_000, "environments": 2},
            "sparsity": {"interval": 160},
            "evaluation": {"every": 1_600},
        }
    )


def random_batch(kind: str, seed: int = 1) -> Steps:
    """Steps, one of them a reset."""
    random = np.random.default_rng(seed)
    action = (
        random.integers(0, ACTIONS, BATCH).astype(np.int32)
        if kind == "discrete"
        else random.normal(size=(BATCH, ACTIONS)).astype(np.float32)
    )
    return Steps(
        observation=jnp.asarray(random.normal(size=(BATCH, INPUTS)), jnp.float32),
        action=jnp.asarray(action),
        log_prob=jnp.asarray(random.normal(-1.2, 0.4, BATCH), jnp.float32),
        advantage=jnp.asarray(random.normal(size=BATCH), jnp.float32),
        target=jnp.asarray(random.normal(size=BATCH), jnp.float32),
        weight=jnp.asarray([1, 1, 1, 0, 1, 1], jnp.float32),
    )


def fresh(agent: Any) -> OnPolicyState:
    """A state whose heads are not next to zero, so that gradients can be told apart."""
    state: OnPolicyState = agent.init(jax.random.key(0))
    larger = jax.tree.map(lambda leaf: leaf * 3 + 0.1, state.policy.params)
    return state._replace(policy=state.policy._replace(params=larger))


def outputs(params: Tree, observation: np.ndarray, head: str) -> np.ndarray:
    hidden = np.tanh(dense(params["params"]["hidden_0"], observation))
    return dense(params["params"][head], hidden)


@dataclass(frozen=True)
class Terms:
    """Log-probabilities of the actions, entropies and values, by scipy."""

    log_prob: np.ndarray
    entropy: np.ndarray
    value: np.ndarray


def terms(policy: Tree, value: Tree, batch: Steps, kind: str) -> Terms:
    observation, action = (np.asarray(x, np.float64) for x in (batch.observation, batch.action))
    v = outputs(value, observation, "value")[:, 0]
    if kind == "discrete":
        logits = outputs(policy, observation, "head")
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return Terms(np.log(p[np.arange(BATCH), action.astype(int)]), stats.entropy(p, axis=1), v)
    mean = outputs(policy, observation, "mean")
    each = stats.norm(mean, np.exp(policy["exploration"]["log_std"]))
    return Terms(each.logpdf(action).sum(axis=1), each.entropy().sum(axis=1), v)


def clipped(policy: Tree, value: Tree, largest: float) -> tuple[Tree, Tree]:
    """Both gradients, scaled so that their common norm is at most `largest`."""
    norm = np.sqrt(sum((leaf**2).sum() for leaf in leaves(policy) + leaves(value)))
    factor = min(1.0, largest / norm)
    return scaled(policy, factor), scaled(value, factor)
