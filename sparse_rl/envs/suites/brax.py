"""brax: locomotion on brax's own physics.

Options: ``backend=spring|positional|generalized|mjx`` (spring is the fastest and our default;
returns of different backends are not comparable, nor are they with Gymnasium's MuJoCo tasks) and
``time_limit=N`` (default 1000).
"""

import warnings

import brax.fluid
import jax
import numpy as np
from brax import envs
from jaxtyping import Array, Float, Key, PyTree

from sparse_rl.envs.jax_env import JaxEnv, Transition
from sparse_rl.envs.options import Options
from sparse_rl.envs.suites import old_clip
from sparse_rl.envs.vector_env import Continuous, EnvSpec

BACKENDS = ("spring", "positional", "generalized", "mjx")
# The swimmer needs a fluid, which upstream has in one backend only.
_BACKENDS_OF = {"swimmer": ("generalized",)}
_NOT_A_TASK = {"fast"}


old_clip.serve(brax.fluid)  # for the swimmer


def names(suite: str) -> list[str]:
    """All environments of this suite."""
    return [name for name in envs._envs if name not in _NOT_A_TASK]


def make(full_name: str, identifier: str, options: Options, evaluation: bool) -> JaxEnv:
    """Builds one environment; it is the same for training and for evaluation."""
    allowed = _BACKENDS_OF.get(identifier, BACKENDS)
    backend = options.choice("backend", allowed[0], allowed)
    time_limit = options.positive("time_limit", 1000)
    options.finish()
    # The raw environment: brax's AutoResetWrapper would overwrite the last observation of an
    # episode and start every next one from the same state.
    with warnings.catch_warnings():
        # At every load brax says that its physics are no longer developed; we know.
        warnings.filterwarnings("ignore", "Brax System", UserWarning)
        environment = envs.get_environment(identifier, backend=backend)

    def reset_one(key: Key[Array, ""]) -> tuple[PyTree, Array]:
        state = environment.reset(key)
        return state, state.obs

    def step_one(key: Key[Array, ""], state: PyTree, action: Float[Array, " action"]) -> Transition:
        del key  # brax's dynamics are deterministic
        state = environment.step(state, action)
        return Transition(state, state.obs, state.reward, state.done > 0.5)

    shape = jax.eval_shape(reset_one, jax.random.key(0))[1].shape
    # Every task takes actions in [-1, 1] and rescales them itself where its actuators differ.
    size = environment.action_size
    spec = EnvSpec(
        name=full_name,
        observation_shape=tuple(shape),
        observation_dtype=np.dtype(np.float32),
        action=Continuous((-1.0,) * size, (1.0,) * size),
        time_limit=time_limit,
    )
    return JaxEnv(spec, reset_one, step_one)
