"""The host path under several devices: the same numbers as on one."""

import os
import subprocess
import sys

# Should it stand still, it says where.
PROGRAM = """
import faulthandler

faulthandler.dump_traceback_later(200, exit=True)

import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, PartitionSpec as P
from sparse_rl.envs import make

assert len(jax.devices()) == 2
for name in ["mujoco/Hopper-v4?impl=host", "gymnax/CartPole-v1"]:
    env = make(name)
    keys = jax.random.split(jax.random.key(0), 4)
    shape = (40, 4, 3) if "Hopper" in name else (40, 4)
    actions = jax.random.uniform(jax.random.key(1), shape, minval=-1.0)
    actions = actions if "Hopper" in name else (actions > 0).astype(int)

    def run(keys, actions):
        state, _ = env.reset(keys)
        return jax.lax.scan(env.step, state, actions)[1]

    mesh = Mesh(np.array(jax.devices()), ("member",))
    split = P(None, "member")
    # With and without JAX's own check of what differs by device.
    for check in (True, False) if "Hopper" in name else (True,):
        sharded = jax.shard_map(
            run, mesh=mesh, in_specs=(P("member"), split), out_specs=split, check_vma=check
        )
        together = jax.jit(run)(keys, actions)
        apart = jax.jit(sharded)(keys, actions)
        assert not together.valid.all()
        close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        jax.tree.map(close, together, apart)
print("agree", flush=True)

# Arguments so large that JAX would copy them on the threads that wait for the callback.
env = make("mujoco/Hopper-v4?impl=host")

def few(keys):
    state, _ = env.reset(keys)
    still = jnp.zeros((keys.shape[0], 3))
    return jax.lax.fori_loop(0, 3, lambda _, s: env.step(s, still)[0], state)

apart = jax.shard_map(few, mesh=mesh, in_specs=P("member"), out_specs=P("member"))
state = jax.jit(apart)(jax.random.split(jax.random.key(0), 2400))
assert state.inner["physics"].addressable_shards[0].data.nbytes > 150_000
assert (state.elapsed == 3).all()
print("alive")
"""


def test_two_devices_agree_with_one_and_large_batches_do_not_deadlock() -> None:
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.split()[-1:] == ["alive"], done.stderr[-2000:]
