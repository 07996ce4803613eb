"""An environment whose return says what the policy saw."""

import jax.numpy as jnp
import numpy as np

from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.spaces import Discrete, EnvSpec

COUNTING = JaxEnv(
    EnvSpec("counting", (1,), np.dtype(np.float32), Discrete(1000), time_limit=4, frame_stack=3),
    lambda key: (jnp.int32(1), jnp.ones(1)),
    lambda key, count, action: Transition(
        count + 1, (count + 1)[None].astype(jnp.float32), action.astype(jnp.float32), count < 0
    ),
)
"""Observes 1, 2, 3, 4, 5; the reward is the action; cut after four steps."""
DIGITS = (100, 10, 1)
"""With this policy an action's digits are the three frames that were seen."""
SEEN = ((0, 0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4))
RETURN = 1 + 12 + 123 + 234
