"""Stable-Baselines3's SAC: one seed per process, one torch thread per process."""

from typing import Any

from benchmarks.peers.conversation import Advance, Order, serve
from benchmarks.peers.settings import SACSettings


def keywords(settings: SACSettings) -> dict[str, Any]:
    """The work in the library's words."""
    return {
        "policy": "MlpPolicy",
        "env": settings.task,
        "policy_kwargs": {"net_arch": list(settings.hidden)},
        "learning_rate": settings.learning_rate,
        "buffer_size": settings.capacity,
        "learning_starts": settings.learning_starts,
        "batch_size": settings.batch_size,
        "tau": settings.tau,
        "gamma": settings.discount,
        "train_freq": settings.train_frequency,
        "gradient_steps": settings.gradient_steps,
    }


def prepare(order: Order) -> Advance:
    """The model after its random steps."""
    import torch
    from stable_baselines3 import SAC

    assert isinstance(order.settings, SACSettings)
    torch.set_num_threads(1)
    model = SAC(**keywords(order.settings), seed=order.first_seed, device="cpu")
    return after_random_steps(model, order.settings)


def after_random_steps(model: Any, settings: SACSettings) -> Advance:
    """Takes the random steps; what is returned goes on from there."""
    model.learn(settings.learning_starts)

    def advance(steps: int) -> None:
        model.learn(steps, reset_num_timesteps=False)

    return advance


if __name__ == "__main__":
    serve(prepare, ("stable-baselines3", "torch", "gymnasium", "mujoco"))
