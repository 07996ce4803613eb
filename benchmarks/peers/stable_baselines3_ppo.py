"""Stable-Baselines3's PPO: one seed per process, one torch thread per process.

Its environments are stepped one after the other in that process, as its `make_vec_env` has them.
"""

from typing import Any

from benchmarks.peers.conversation import Advance, Order, serve
from benchmarks.peers.settings import PPOSettings


def keywords(settings: PPOSettings) -> dict[str, Any]:
    """The work in the library's words; tanh is its default."""
    return {
        "policy": "MlpPolicy",
        "policy_kwargs": {"net_arch": list(settings.hidden)},
        "n_steps": settings.rollout_steps,
        "batch_size": settings.batch_size,
        "n_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "gamma": settings.discount,
        "gae_lambda": settings.gae_lambda,
        "clip_range": settings.clip,
        "ent_coef": settings.entropy_coefficient,
        "vf_coef": settings.value_coefficient,
        "max_grad_norm": settings.gradient_clip,
    }


def prepare(order: Order) -> Advance:
    """The model and its environments."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    settings = order.settings
    assert isinstance(settings, PPOSettings)
    torch.set_num_threads(1)
    environments = make_vec_env(settings.task, settings.environments, seed=order.first_seed)
    model = PPO(env=environments, **keywords(settings), seed=order.first_seed, device="cpu")

    def advance(steps: int) -> None:
        model.learn(steps, reset_num_timesteps=False)

    return advance


if __name__ == "__main__":
    serve(prepare, ("stable-baselines3", "torch", "gymnasium"))
