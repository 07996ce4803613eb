"""rejax's PPO (JAX): all seeds vmapped in one process, as its documentation shows.

Its gradients are clipped element by element where Stable-Baselines3's and ours are by their norm,
and its values' loss is clipped too. Evaluation is off.
"""

from typing import Any

from benchmarks.peers.conversation import Advance, Order, serve
from benchmarks.peers.rejax_dqn import in_blocks
from benchmarks.peers.settings import PPOSettings


def keywords(settings: PPOSettings, block: int) -> dict[str, Any]:
    """The work in the library's words; one call of `train` takes `block` steps."""
    return {
        "env": settings.task,
        "num_envs": settings.environments,
        "num_steps": settings.rollout_steps,
        "num_epochs": settings.epochs,
        "num_minibatches": settings.rollout // settings.batch_size,
        "learning_rate": settings.learning_rate,
        "gamma": settings.discount,
        "gae_lambda": settings.gae_lambda,
        "clip_eps": settings.clip,
        "ent_coef": settings.entropy_coefficient,
        "vf_coef": settings.value_coefficient,
        "max_grad_norm": settings.gradient_clip,
        "agent_kwargs": {"hidden_layer_sizes": settings.hidden, "activation": "tanh"},
        "total_timesteps": block,
        "eval_freq": block,
        "skip_initial_evaluation": True,
    }


def prepare(order: Order) -> Advance:
    """The compiled training of all seeds."""
    from rejax import PPO

    assert isinstance(order.settings, PPOSettings)
    return in_blocks(PPO.create(**keywords(order.settings, order.block)), order)


if __name__ == "__main__":
    serve(prepare, ("rejax", "jax", "flax", "gymnax"))
