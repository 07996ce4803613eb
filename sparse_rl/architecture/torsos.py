"""The built-in torsos: from their options and what is observed to operations.

Each ends with the dense layers `hidden_0`, `hidden_1`, ... with a ReLU after each.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparse_rl import registry
from sparse_rl.architecture.operations import (
    Block,
    Convolution,
    Dense,
    Flatten,
    MaxPool,
    Normalize,
    Observation,
    Operation,
    Relu,
    Residual,
)
from sparse_rl.config.interfaces import NetworkOptions


def torso(options: NetworkOptions, observation: Observation) -> tuple[Operation, ...]:
    """The operations of the registered torso that the options name.

    With `options.normalize` the observation's normalization stands before them.

    Raises `registry.UnknownNameError`, a ValueError, where none is registered under the name.
    """
    registry.load()
    operations: tuple[Operation, ...] = registry.NETWORKS.implementation(options.torso)(
        options, observation
    )
    if options.normalize:
        return (Normalize("normalize"), *operations)
    return operations


def mlp(options: NetworkOptions, observation: Observation) -> tuple[Operation, ...]:
    """Dense layers alone; an observation with several axes is flattened."""
    flatten = (Flatten(),) if len(observation.shape) > 1 else ()
    return (*flatten, *hidden_layers(options.hidden))


def minatar(options: NetworkOptions, observation: Observation) -> tuple[Operation, ...]:
    """16 filters 3x3, then dense 128, a ReLU after each (Young and Tian 2019, arXiv 1903.03176)."""
    return (
        Convolution("convolution_0", 16, (3, 3)),
        Relu(),
        Flatten(),
        *hidden_layers(options.hidden),
    )


def nature(options: NetworkOptions, observation: Observation) -> tuple[Operation, ...]:
    """Filters/size/stride 32/8/4, 64/4/2, 64/3/1, then dense 512 (Mnih et al. 2015)."""
    operations: list[Operation] = []
    for index, (filters, size, stride) in enumerate(((32, 8, 4), (64, 4, 2), (64, 3, 1))):
        name = f"convolution_{index}"
        operations += [Convolution(name, filters, (size, size), (stride, stride)), Relu()]
    return (*operations, Flatten(), *hidden_layers(options.hidden))


def impala(options: NetworkOptions, observation: Observation) -> tuple[Operation, ...]:
    """Three stacks with 32, 64 and 64 channels, ReLU, flatten, dense 512 with ReLU.

    The residual network of IMPALA (Espeholt et al. 2018, arXiv 1802.01561, figure 3, right). An
    image of 84 x 84 x 4 ends as 7 x 7 x 64 = 3136 features and takes 1,995,168 parameters. Without
    padding in the stacks' first layers it is the network that Ivanov et al. (arXiv 2405.07748)
    ran, smaller than the one IMPALA printed.
    """
    return (*impala_stacks((32, 64, 64)), Relu(), Flatten(), *hidden_layers(options.hidden))


def impala_stacks(channels: Sequence[int]) -> tuple[Operation, ...]:
    """IMPALA's stacks `stack_0`, `stack_1`, ..., one for each number of channels."""
    return tuple(_stack(f"stack_{index}", size) for index, size in enumerate(channels))


def _stack(name: str, channels: int) -> Block:
    """Convolution 3x3, max pooling 3 with stride 2, both without padding; two residual blocks."""
    inside = tuple(
        step
        for index in range(2)
        for step in (Relu(), Convolution(f"convolution_{index}", channels, (3, 3), padding="SAME"))
    )
    return Block(
        name,
        (
            Convolution("convolution", channels, (3, 3)),
            MaxPool((3, 3), (2, 2)),
            Residual("block_0", inside),
            Residual("block_1", inside),
        ),
    )


def hidden_layers(sizes: Sequence[int]) -> tuple[Operation, ...]:
    """Dense layers `hidden_0`, `hidden_1`, ... with a ReLU after each."""
    return tuple(
        step
        for index, size in enumerate(sizes)
        for step in (Dense(f"hidden_{index}", size), Relu())
    )
