"""rejax's DQN (JAX): all seeds vmapped in one process, as its documentation shows.

It trains on one step of each of several environments, then updates: four environments and one
update are four steps per update. A network of one's own is given as `agent`. Evaluation is off.
Under vmap the condition that keeps it from learning at first is computed on both sides, so it has
the same rate from its first step on.
"""

from typing import Any

from benchmarks.peers.conversation import Advance, Order, serve
from benchmarks.peers.settings import DQNSettings


def keywords(settings: DQNSettings, block: int) -> dict[str, Any]:
    """The work in the library's words; one call of `train` takes `block` steps."""
    return {
        "env": settings.task,
        "num_envs": settings.train_frequency,
        "num_epochs": 1,
        "buffer_size": settings.capacity,
        "fill_buffer": settings.learning_starts,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "gamma": settings.discount,
        "max_grad_norm": settings.gradient_clip,
        "target_update_freq": settings.target_interval,
        "polyak": 0.0,
        "ddqn": False,
        "eps_start": settings.exploration,
        "eps_end": settings.exploration,
        "total_timesteps": block,
        "eval_freq": block,
        "skip_initial_evaluation": True,
    }


def q_network(settings: DQNSettings, actions: int) -> Any:
    """One convolution without padding, one dense layer, as a policy of the library."""
    from flax import linen as nn
    from jax import Array
    from jax import numpy as jnp
    from rejax.networks import EpsilonGreedyPolicy

    class MinAtarQNetwork(nn.Module):
        @nn.compact
        def __call__(self, observation: Array) -> Array:
            kernel = (settings.kernel, settings.kernel)
            planes = nn.relu(nn.Conv(settings.filters, kernel, padding="VALID")(observation))
            features = nn.Dense(settings.dense)(planes.reshape(len(planes), -1))
            return nn.Dense(actions)(nn.relu(features))

        def take(self, observation: Array, action: Array) -> Array:
            values = self(observation)
            return jnp.take_along_axis(values, action[:, None], axis=1).squeeze(1)

    return EpsilonGreedyPolicy(MinAtarQNetwork)()


def prepare(order: Order) -> Advance:
    """The compiled training of all seeds, after the random steps."""
    from rejax import DQN

    settings = order.settings
    assert isinstance(settings, DQNSettings)
    algorithm = DQN.create(**keywords(settings, order.block))
    actions = algorithm.env.action_space(algorithm.env_params).n
    return in_blocks(algorithm.replace(agent=q_network(settings, actions)), order)


def in_blocks(algorithm: Any, order: Order) -> Advance:
    """All seeds of an algorithm of the library; one call of `train` takes `order.block` steps."""
    import jax

    algorithm = algorithm.replace(eval_callback=lambda *_: ())

    @jax.jit
    def begin(keys: Any) -> Any:
        return jax.vmap(algorithm.init_state)(keys)

    def train(state: Any) -> Any:
        return algorithm.train(train_state=state)[0]

    # Donated, because one long call of `train` would not copy the replay either.
    chunk = jax.jit(jax.vmap(train), donate_argnums=0)
    keys = jax.random.split(jax.random.key(order.first_seed), order.seeds)
    state = jax.block_until_ready(begin(keys))

    def advance(steps: int) -> None:
        nonlocal state
        for _ in range(steps // order.block):
            state = chunk(state)
        jax.block_until_ready(state)

    return advance


if __name__ == "__main__":
    serve(prepare, ("rejax", "jax", "flax", "gymnax"))
