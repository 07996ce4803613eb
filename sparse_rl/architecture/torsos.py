"""The built-in torsos: from their options and what is observed to operations.

Each ends with the dense layers `hidden_0`, `hidden_1`, ..., an activation after each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from sparse_rl import registry
from sparse_rl.architecture.operations import (
    UNIFORM,
    Block,
    Convolution,
    Dense,
    Flatten,
    Initializer,
    LayerNorm,
    MaxPool,
    Normalize,
    Observation,
    Operation,
    Relu,
    Residual,
    Tanh,
)
from sparse_rl.config.interfaces import NetworkOptions

RELU = Relu()


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


def critic_torso(
    options: NetworkOptions, observation: Observation, layer_norm: bool = False
) -> tuple[Operation, ...]:
    """A critic's operations: those of the torso before its first dense layer, then `dense_layers`.

    Without a `Normalize`: a critic's observations are normalized before they come. Raises as
    `torso`.
    """
    before = itertools.takewhile(
        lambda operation: not isinstance(operation, Dense), torso(options, observation)
    )
    own = (operation for operation in before if not isinstance(operation, Normalize))
    return (*own, *dense_layers(options, layer_norm))


def mlp(options: NetworkOptions, observation: Observation) -> tuple[Operation, ...]:
    """Dense layers alone; an observation with several axes is flattened."""
    flatten = (Flatten(),) if len(observation.shape) > 1 else ()
    return (*flatten, *dense_layers(options))


def minatar(options: NetworkOptions, observation: Observation) -> tuple[Operation, ...]:
    """16 filters 3x3, then dense 128, a ReLU after each (Young and Tian 2019, arXiv 1903.03176)."""
    initializer = hidden_initializer(options)
    return (
        Convolution("convolution_0", 16, (3, 3), initializer=initializer),
        Relu(),
        Flatten(),
        *dense_layers(options),
    )


def nature(options: NetworkOptions, observation: Observation) -> tuple[Operation, ...]:
    """Filters/size/stride 32/8/4, 64/4/2, 64/3/1, then dense 512 (Mnih et al. 2015)."""
    operations: list[Operation] = []
    initializer = hidden_initializer(options)
    for index, (filters, size, stride) in enumerate(((32, 8, 4), (64, 4, 2), (64, 3, 1))):
        name = f"convolution_{index}"
        window, strides = (size, size), (stride, stride)
        operations.append(Convolution(name, filters, window, strides, initializer=initializer))
        operations.append(Relu())
    return (*operations, Flatten(), *dense_layers(options))


def impala(options: NetworkOptions, observation: Observation) -> tuple[Operation, ...]:
    """Three stacks with 32, 64 and 64 channels, ReLU, flatten, dense 512 with ReLU.

    The residual network of IMPALA (Espeholt et al. 2018, arXiv 1802.01561, figure 3, right). An
    image of 84 x 84 x 4 ends as 7 x 7 x 64 = 3136 features and takes 1,995,168 parameters. Without
    padding in the stacks' first layers it is the network that Ivanov et al. (arXiv 2405.07748)
    ran, smaller than the one IMPALA printed.
    """
    stacks = impala_stacks((32, 64, 64), hidden_initializer(options))
    return (*stacks, Relu(), Flatten(), *dense_layers(options))


def impala_stacks(
    channels: Sequence[int], initializer: Initializer = UNIFORM
) -> tuple[Operation, ...]:
    """IMPALA's stacks `stack_0`, `stack_1`, ..., one for each number of channels."""
    return tuple(_stack(f"stack_{index}", size, initializer) for index, size in enumerate(channels))


def _stack(name: str, channels: int, initializer: Initializer) -> Block:
    """Convolution 3x3, max pooling 3 with stride 2, both without padding; two residual blocks."""
    inside = tuple(
        step
        for index in range(2)
        for step in (
            Relu(),
            Convolution(
                f"convolution_{index}", channels, (3, 3), padding="SAME", initializer=initializer
            ),
        )
    )
    return Block(
        name,
        (
            Convolution("convolution", channels, (3, 3), initializer=initializer),
            MaxPool((3, 3), (2, 2)),
            Residual("block_0", inside),
            Residual("block_1", inside),
        ),
    )


def dense_layers(options: NetworkOptions, layer_norm: bool = False) -> tuple[Operation, ...]:
    """`hidden_layers` as a network's options say; normalized where they or `layer_norm` say so.

    Orthogonal kernels have the gain sqrt(2), as in Stable-Baselines3's on-policy agents.
    """
    return hidden_layers(
        options.hidden,
        Tanh() if options.activation == "tanh" else Relu(),
        options.layer_norm or layer_norm,
        hidden_initializer(options),
    )


def hidden_layers(
    sizes: Sequence[int],
    activation: Relu | Tanh = RELU,
    layer_norm: bool = False,
    initializer: Initializer = UNIFORM,
) -> tuple[Operation, ...]:
    """Dense layers `hidden_0`, `hidden_1`, ... with an activation after each.

    With `layer_norm` there are `norm_0`, `norm_1`, ... between a layer and its activation.
    """
    steps: list[Operation] = []
    for index, size in enumerate(sizes):
        steps.append(Dense(f"hidden_{index}", size, initializer))
        if layer_norm:
            steps.append(LayerNorm(f"norm_{index}"))
        steps.append(activation)
    return tuple(steps)


def hidden_initializer(options: NetworkOptions) -> Initializer:
    """How kernels before an activation begin."""
    return initializer_of(options, math.sqrt(2.0))


def initializer_of(options: NetworkOptions, gain: float) -> Initializer:
    """PyTorch's uniform numbers, or orthogonal kernels with a layer's own `gain`."""
    return Initializer("orthogonal", gain) if options.initializer == "orthogonal" else UNIFORM
