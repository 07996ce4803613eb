"""Convolutions of a population: patches and one product, against XLA's own convolution.

Ten networks under `vmap`, each formulation with the same parameters and the same dense layers.
"update" is forward and backward on a batch of 32: the gradient of a loss with respect to all
parameters. "acting" is the same ten networks on one observation each, inside a scan. "ratio" is to
the first formulation; "cpu" is the time of all cores together.

    python -m benchmarks.conv [--networks minatar nature impala] [--members 10] [--json PATH]

IMPALA's network keeps about 0.5 GB of activations for each member in this table.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from benchmarks.harness import argument_parser, measure, report
from sparse_rl.architecture import ArgMax, Dense, Network, Observation, torso
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.networks import QNetwork

ACTIONS = 6
# observation, its type, dense layers, steps of acting in one scan
NETWORKS = {
    "minatar": ((10, 10, 4), jnp.bool_, (128,), 100),
    "nature": ((84, 84, 4), jnp.uint8, (512,), 5),
    "impala": ((84, 84, 4), jnp.uint8, (512,), 2),
}
FORMULATIONS = ("patches", "lax.conv", "lax.conv patches")


def intercepted(convolve: Callable[[Array, Array, tuple[int, int], str], Array]) -> Any:
    """Flax's way to compute every `Convolution` differently, with the same parameters."""

    def interceptor(next_function: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        layer = context.module
        if type(layer).__name__ != "Convolution" or context.method_name != "__call__":
            return next_function(*arguments, **keywords)
        params = layer.variables["params"]
        output = convolve(arguments[0], params["kernel"], layer.strides, layer.padding)
        return output + params["bias"]

    return nn.intercept_methods(interceptor)


def by_xla(images: Array, kernel: Array, strides: tuple[int, int], padding: str) -> Array:
    return lax.conv_general_dilated(
        images, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def by_xla_patches(images: Array, kernel: Array, strides: tuple[int, int], padding: str) -> Array:
    patches = lax.conv_general_dilated_patches(
        images,
        kernel.shape[:2],
        strides,
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return patches @ kernel.transpose(2, 0, 1, 3).reshape(-1, kernel.shape[-1])


def formulation(network: QNetwork, name: str) -> Callable[[Any, Array], Array]:
    if name == "patches":
        return network.apply  # type: ignore[return-value]

    def apply(params: Any, observation: Array) -> Array:
        with intercepted({"lax.conv": by_xla, "lax.conv patches": by_xla_patches}[name]):
            return network.apply(params, observation)  # type: ignore[return-value]

    return apply


def observations(name: str, members: int, batch: int) -> Array:
    shape, dtype, _, _ = NETWORKS[name]
    values = jax.random.randint(jax.random.key(1), (members, batch, *shape), 0, 256)
    return values > 200 if dtype == jnp.bool_ else values.astype(dtype)


def rows_of(
    name: str, formulations: Sequence[str], members: int, batch: int, repeats: int
) -> list[dict[str, Any]]:
    _, _, hidden, acting_steps = NETWORKS[name]
    shape, dtype, _, _ = NETWORKS[name]
    seen = Observation(shape, jnp.dtype(dtype).name, 255.0 if dtype == jnp.uint8 else 1.0)  # type: ignore[arg-type]
    operations = torso(TorsoOptions(name, hidden), seen)  # type: ignore[arg-type]
    network = QNetwork(Network(seen, operations, (Dense("head", ACTIONS),), ArgMax()))
    batches = observations(name, members, batch)
    params = jax.jit(jax.vmap(network.init))(
        jax.random.split(jax.random.key(0), members), batches[:, :1]
    )
    rows: list[dict[str, Any]] = []
    first = 0.0
    for way in formulations:
        apply = formulation(network, way)

        def loss(params: Any, batch: Array, apply: Any = apply) -> Array:
            return ((apply(params, batch) - 1.0) ** 2).mean()

        def act(params: Any, observation: Array, apply: Any = apply) -> Array:
            def step(total: Array, _: None) -> tuple[Array, None]:
                # the observation depends on the step before, as it does when acting
                seen = jnp.where(
                    total[:, :1].sum() > 1e30, jnp.zeros_like(observation), observation
                )
                return total + jax.vmap(apply)(params, seen)[:, 0], None

            return lax.scan(step, jnp.zeros((members, ACTIONS)), None, acting_steps)[0]

        update = measure(jax.vmap(jax.grad(loss)), params, batches, repeats=repeats)
        acting = measure(act, params, batches[:, :1], repeats=repeats)
        rows.append(
            {
                "network": name,
                "formulation": way,
                "update ms": update.median * 1e3,
                "fastest": update.fastest * 1e3,
                "slowest": update.slowest * 1e3,
                "ratio": update.median / (first := first or update.median),
                "update cpu ms": update.processor * 1e3,
                "acting us": acting.median / acting_steps * 1e6,
                "acting cpu us": acting.processor / acting_steps * 1e6,
                "compile s": update.compile,
            }
        )
    return rows


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument(
        "--formulations", nargs="+", choices=FORMULATIONS, default=list(FORMULATIONS)
    )
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    rows = [
        row
        for name in options.networks
        for row in rows_of(
            name, options.formulations, options.members, options.batch, options.repeats
        )
    ]
    title = f"{options.members} members under vmap, batch {options.batch}"
    report(title, rows, options.json)


if __name__ == "__main__":
    main()
