"""What quantization-aware training costs: one update with int8 products against float32.

Forward and backward of the network that is quantized, ten members under `vmap`: SAC's actor
(17-256-256-(6, 6), batch 256) and DQN's Q network on MinAtar (batch 32). "ratio" is to float32;
"cpu" is the time of all cores together. SAC's critics stay float32 and do about two thirds of an
update's work, so a whole update costs about a third of what the actor's column says.

    python -m benchmarks.int8 [--members 10] [--json PATH]
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.harness import argument_parser, measure, report
from sparse_rl.architecture import policy_network
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.arithmetics import ARITHMETICS
from sparse_rl.dot_products import DotProducts
from sparse_rl.networks import GaussianActor, QNetwork
from sparse_rl.quantization import dot_products
from sparse_rl.spaces import Continuous, Discrete, EnvSpec

STATES = EnvSpec("states", (17,), np.dtype(np.float32), Continuous((-1.0,) * 6, (1.0,) * 6), 1000)
PLANES = EnvSpec("planes", (10, 10, 4), np.dtype(np.bool_), Discrete(6), 1000)


def actor(dots: DotProducts) -> GaussianActor:
    return GaussianActor(policy_network(TorsoOptions("mlp", (256, 256)), STATES), dots)


def q_network(dots: DotProducts) -> QNetwork:
    return QNetwork(policy_network(TorsoOptions("minatar", (128,)), PLANES), dots)


def rows_of(
    name: str, network: Callable[[DotProducts], Any], batches: Array, repeats: int
) -> Iterator[dict[str, Any]]:
    keys = jax.random.split(jax.random.key(0), len(batches))
    first = 0.0
    for mode in ARITHMETICS:
        built = network(dot_products(mode))
        params = jax.jit(jax.vmap(built.init))(keys, batches[:, :1])

        def loss(params: Any, batch: Array, built: Any = built) -> Array:
            outputs = jax.tree.leaves(built.apply(params, batch))
            return sum((((output - 1.0) ** 2).mean() for output in outputs), jnp.zeros(()))

        update = measure(jax.vmap(jax.grad(loss)), params, batches, repeats=repeats)
        first = first or update.processor
        yield {
            "network": name,
            "product": mode,
            "update ms": update.median * 1e3,
            "fastest": update.fastest * 1e3,
            "slowest": update.slowest * 1e3,
            "update cpu ms": update.processor * 1e3,
            "ratio of cpu": update.processor / first,
            "compile s": update.compile,
        }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--members", type=int, default=10)
    options = parser.parse_args()
    states = jax.random.normal(jax.random.key(1), (options.members, 256, 17))
    planes = jax.random.uniform(jax.random.key(1), (options.members, 32, 10, 10, 4)) < 0.2
    rows = [
        *rows_of("SAC actor", actor, states, options.repeats),
        *rows_of("DQN MinAtar", q_network, planes, options.repeats),
    ]
    report(f"{options.members} members under vmap", rows, options.json)


if __name__ == "__main__":
    main()
