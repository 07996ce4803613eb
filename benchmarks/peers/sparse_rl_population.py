"""Our own side: all seeds in one process, one virtual device per core."""

from typing import Any

from benchmarks.peers.conversation import Advance, Order, serve
from benchmarks.peers.settings import DQNSettings, PPOSettings, SACSettings, Settings


def configuration(settings: Settings, seeds: int) -> dict[str, Any]:
    """The same work as a configuration of ours."""
    if isinstance(settings, SACSettings):
        return {"seeds": seeds, **_sac(settings)}
    if isinstance(settings, DQNSettings):
        return {"seeds": seeds, **_dqn(settings)}
    return {"seeds": seeds, **_ppo(settings)}


def _sac(settings: SACSettings) -> dict[str, Any]:
    return {
        "environment": f"mujoco/{settings.task}?impl=host",
        "agent": {
            "name": "sac",
            "learning_rate": settings.learning_rate,
            "discount": settings.discount,
            "tau": settings.tau,
        },
        "network": {"torso": "mlp", "hidden": list(settings.hidden)},
        "replay": {"capacity": settings.capacity, "batch_size": settings.batch_size},
        "training": {
            "steps": 1_000_000,
            "learning_starts": settings.learning_starts,
            "train_frequency": settings.train_frequency,
            "gradient_steps": settings.gradient_steps,
        },
    }


def _dqn(settings: DQNSettings) -> dict[str, Any]:
    return {
        "environment": f"gymnax/{settings.task}",
        "agent": {
            "name": "dqn",
            "learning_rate": settings.learning_rate,
            "discount": settings.discount,
            "gradient_clip": settings.gradient_clip,
            "target_interval": settings.target_interval,
            "exploration_first": settings.exploration,
            "exploration_last": settings.exploration,
        },
        "network": {"torso": "minatar", "hidden": [settings.dense]},
        "replay": {"capacity": settings.capacity, "batch_size": settings.batch_size},
        "training": {
            "steps": 1_000_000,
            "learning_starts": settings.learning_starts,
            "train_frequency": settings.train_frequency,
        },
    }


def _ppo(settings: PPOSettings) -> dict[str, Any]:
    """Lengths are whole rollouts; none of them is reached."""
    rollout = settings.rollout
    return {
        "environment": settings.environment,
        "agent": {
            "name": "ppo",
            "rollout_steps": settings.rollout_steps,
            "batch_size": settings.batch_size,
            "epochs": settings.epochs,
            "learning_rate": settings.learning_rate,
            "discount": settings.discount,
            "gae_lambda": settings.gae_lambda,
            "clip": settings.clip,
            "entropy_coefficient": settings.entropy_coefficient,
            "value_coefficient": settings.value_coefficient,
            "gradient_clip": settings.gradient_clip,
        },
        "network": {
            "torso": "mlp",
            "hidden": list(settings.hidden),
            "activation": "tanh",
            "initializer": "orthogonal",
        },
        "training": {"steps": 10_000 * rollout, "environments": settings.environments},
        "sparsity": {"interval": rollout},
        "evaluation": {"every": 100 * rollout},
    }


def prepare(order: Order) -> Advance:
    """One population of all seeds; the steps between updates are one iteration of its program."""
    from sparse_rl.runtime.devices import configure

    configure(order.devices)
    import jax

    from benchmarks import workloads
    from sparse_rl.config.reading import from_mapping
    from sparse_rl.envs import make
    from sparse_rl.population.members import mesh, padded

    config = from_mapping(configuration(order.settings, order.seeds))
    devices = min(len(jax.devices()), order.seeds)
    members = padded(order.seeds, mesh(jax.devices()[:devices]))
    workload = workloads.of_config(config, make(config.environment), members, devices)
    forward = workloads.in_cohorts(workload).advance
    return lambda steps: forward(steps // config.steps_per_update)


if __name__ == "__main__":
    serve(prepare, ("jax", "flax", "optax", "gymnax", "gymnasium", "mujoco"))
