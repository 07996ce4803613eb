"""sbx's SAC (JAX): one seed per process. Its interface is that of Stable-Baselines3."""

from benchmarks.peers.conversation import Advance, Order, serve
from benchmarks.peers.settings import SACSettings
from benchmarks.peers.stable_baselines3_sac import after_random_steps, keywords


def prepare(order: Order) -> Advance:
    """The model after its random steps."""
    import torch
    from sbx import SAC

    assert isinstance(order.settings, SACSettings)
    torch.set_num_threads(1)  # its replay is Stable-Baselines3's
    model = SAC(**keywords(order.settings), seed=order.first_seed)
    return after_random_steps(model, order.settings)


__all__ = ["keywords", "prepare"]

if __name__ == "__main__":
    serve(prepare, ("sbx-rl", "jax", "torch", "gymnasium", "mujoco"))
