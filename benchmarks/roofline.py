"""How fast a device could be at best: operations and bytes of a training step, and both floors.

The floor of a program is the longer of two times: its floating-point operations at the device's
peak, and the bytes that it cannot avoid to move at the device's bandwidth (Williams, Waterman and
Patterson 2009). Peaks come from the data sheet where the device's name is known, else from a large
product and a large copy.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from benchmarks import workloads
from benchmarks.harness import seconds
from sparse_rl.population import members as population

# What JAX is told of a product alone, for each name of `training.precision`.
ALGORITHMS = {
    "float32": "F32_F32_F32",
    "tf32": "TF32_TF32_F32",
    "bfloat16": "BF16_BF16_F32",
}


class Peak(NamedTuple):
    """Operations and bytes per second; dense products, accumulated in float32."""

    float32: float
    tf32: float
    bf16: float
    bandwidth: float
    source: str = "data sheet"

    def operations(self, precision: str) -> float:
        """Operations per second of products of that precision."""
        return {"float32": self.float32, "tf32": self.tf32, "bfloat16": self.bf16}[precision]


# NVIDIA's data sheets, without sparsity. The first name that the device's contains counts.
DATA_SHEETS = {
    "H200": Peak(67e12, 494.5e12, 989e12, 4.8e12),
    "H100 NVL": Peak(60e12, 417.5e12, 835e12, 3.9e12),
    "H100 PCIe": Peak(51e12, 378e12, 756e12, 2.0e12),
    "H100": Peak(67e12, 494.5e12, 989e12, 3.35e12),
    "A100-SXM4-80GB": Peak(19.5e12, 156e12, 312e12, 2.039e12),
    "A100 80GB": Peak(19.5e12, 156e12, 312e12, 1.935e12),
    "A100": Peak(19.5e12, 156e12, 312e12, 1.555e12),
}


class Work(NamedTuple):
    """Floating-point operations and bytes of one step of every environment of all members."""

    operations: float
    bytes: float


class Floors(NamedTuple):
    """Seconds that the operations take at the peak, and the bytes at full bandwidth."""

    operations: float
    bytes: float

    @property
    def higher(self) -> float:
        return max(self)


def floors(work: Work, peak: Peak, precision: str = "float32") -> Floors:
    """Both floors of `work`."""
    return Floors(
        work.operations / peak.operations(precision),
        work.bytes / peak.bandwidth,
    )


def data_sheet(device_kind: str) -> Peak | None:
    """The peak of a device by its name; None where it is not known."""
    return next((peak for name, peak in DATA_SHEETS.items() if name in device_kind), None)


def counted(workload: workloads.Workload) -> Work:
    """The least work of one step of every environment of all members, and its share of an update.

    Operations: every matrix product in the update and in acting, from the shapes in their programs;
    neither the environment's nor what is done element by element. Bytes: parameters, moments and
    targets are read and written once per update (masks and DQN's target are read), the policy is
    read at every step, the batch and the environments' state are read, a row of the memory and
    the environments' state are written. Activations are taken to stay on the chip.
    """
    program, members = workload.program, workload.state.members
    count = members.failed.shape[0]
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), members)
    rhythm, spec = program.agent.rhythm, program.environment.spec  # type: ignore[attr-defined]
    clock = jax.ShapeDtypeStruct((), jnp.int32)
    stacked = spec.observation_shape + (spec.frame_stack,) * (spec.frame_stack > 1)
    observation = jax.ShapeDtypeStruct((rhythm.environments, *stacked), spec.observation_dtype)
    update = workloads.update_flops(workload) * rhythm.gradient_steps
    acting = workloads.matmul_flops(
        program.agent.explore, one.agent, observation, one.act_key, clock
    )

    policy = one.agent.policy
    read_only = size_in_bytes(policy.masks) + size_in_bytes(getattr(one.agent, "target", ()))
    learned = (2 * size_in_bytes(one.agent) - read_only) * rhythm.gradient_steps
    row = sum(size_in_bytes(leaf) // leaf.shape[0] for leaf in jax.tree.leaves(one.memory))
    # A transition also has the next observation: of a stack, and the next one, all frames but one.
    frames = size_in_bytes(jax.ShapeDtypeStruct(spec.observation_shape, spec.observation_dtype))
    transition = row // rhythm.environments + frames * spec.frame_stack
    batch = transition * rhythm.batch_size * rhythm.gradient_steps
    step = size_in_bytes(policy.params) + 2 * size_in_bytes(one.environment) + row
    return Work(
        count * (acting + update / rhythm.steps),
        count * (step + (learned + batch) / rhythm.steps),
    )


def reported(compiled: Any, train_frequency: int) -> Work:
    """What XLA says of a compiled chunk, per environment step.

    XLA counts the body of a loop of unknown length once: here that is one iteration. A branch that
    is seldom taken counts as if it always were.
    """
    analysis = compiled.cost_analysis() or {}
    return Work(
        analysis.get("flops", float("nan")) / train_frequency,
        analysis.get("bytes accessed", float("nan")) / train_frequency,
    )


def size_in_bytes(tree: Any) -> int:
    """Of all arrays of a tree, or of what describes them."""
    sizes = [np.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)]
    return int(sum(sizes))


def measured_peak(size: int, megabytes: int, repeats: int = 5) -> tuple[Peak, dict[str, str]]:
    """Peaks of the first device, from products of `size` and copies of `megabytes`.

    A precision that the device does not know counts as float32; the second value says why.
    """
    problems: dict[str, str] = {}
    rates = {}
    for precision in ALGORITHMS:
        try:
            rates[precision] = product_rate(precision, size, repeats)
        except Exception as error:  # whatever the compiler of an unknown device raises
            problems[precision] = str(error).splitlines()[0]
            rates[precision] = rates["float32"]
    found = (rates["float32"], rates["tf32"], rates["bfloat16"], copy_rate(megabytes, repeats))
    return Peak(*found, source="measured"), problems


class Ceiling(NamedTuple):
    """What every device of a training can do at once: one timing in seconds, and what it was of."""

    run: Callable[[], float]
    work: float  # operations or bytes


def batched_products(members: int, mesh: Mesh, size: int = 256, products: int = 40) -> Ceiling:
    """Square float32 products, one per member, on the devices of training: operations."""

    def local(left: Array) -> Array:
        right = 0.999 * left
        return jax.lax.fori_loop(0, products, lambda _, x: jnp.matmul(x, right), left)

    count = population.padded(members, mesh)
    identity = jnp.eye(size)[None].repeat(count, 0)
    return Ceiling(_timed(local, identity, mesh), 2.0 * size**3 * products * count)


def batched_passes(members: int, mesh: Mesh, size: int, passes: int = 40) -> Ceiling:
    """Passes over `size` bytes of each member, on the devices of training: bytes read and written.

    Where what a device has of all members fits into its cache, it is the cache's bandwidth.
    """

    def local(array: Array) -> Array:
        return jax.lax.fori_loop(0, passes, lambda _, x: 0.999 * x + 1.0, array)

    count = population.padded(members, mesh)
    zeros = jnp.zeros((count, size // 4))
    return Ceiling(_timed(local, zeros, mesh), 2.0 * zeros.nbytes * passes)


def _timed(local: Callable[[Array], Array], argument: Array, mesh: Mesh) -> Callable[[], float]:
    along = PartitionSpec(population.AXIS)
    function = jax.jit(
        jax.shard_map(local, mesh=mesh, in_specs=along, out_specs=along, check_vma=False)
    )
    argument = jax.device_put(argument, NamedSharding(mesh, along))
    jax.block_until_ready(function(argument))
    return lambda: seconds(lambda: function(argument))


def product_rate(precision: str, size: int, repeats: int, products: int = 10) -> float:
    """Operations per second of products of two square matrices."""
    left = jnp.full((size, size), 1.0 / size)

    def chain(left: Any) -> Any:
        with jax.default_matmul_precision(ALGORITHMS[precision]):
            return jax.lax.fori_loop(0, products, lambda _, x: x @ left, left)

    return 2.0 * size**3 * products / _fastest(jax.jit(chain), left, repeats)


def copy_rate(megabytes: int, repeats: int, copies: int = 10) -> float:
    """Bytes read and written per second by adding one to every number of an array."""
    array = jnp.zeros(megabytes * 250_000)

    def chain(array: Any) -> Any:
        return jax.lax.fori_loop(0, copies, lambda _, x: x + 1.0, array)

    return 2.0 * array.nbytes * copies / _fastest(jax.jit(chain), array, repeats)


def _fastest(function: Callable[[Any], Any], argument: Any, repeats: int) -> float:
    jax.block_until_ready(function(argument))
    return min(seconds(lambda: function(argument)) for _ in range(repeats))
