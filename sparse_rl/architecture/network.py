"""A whole network as data, its layers with their shapes, and its JSON."""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from sparse_rl.architecture.operations import (
    ArgMax,
    Block,
    Convolution,
    Dense,
    Observation,
    Operation,
    Output,
    Residual,
)
from sparse_rl.architecture.shapes import Shape, shape_after, shape_after_all

LARGEST_INPUT = "largest_input"
"""Of a layer with fixed scales: the array, beside its kernel, that its input's scale follows."""


@dataclass(frozen=True)
class Network:
    """What is read, the operations of the torso, and the dense layers that stand on it.

    The action is made from the first head by `output`; None where there is none, as in a critic.
    """

    observation: Observation
    operations: tuple[Operation, ...]
    heads: tuple[Dense, ...]
    output: Output | None = None

    def __post_init__(self) -> None:
        shape = shape_after_all(self.operations, self.observation.shape)
        if len(shape) != 1:
            raise ValueError(f"the network ends with shape {shape}: expected one axis")
        names = [layer.path for layer in layers(self)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"the network has two layers {twice}")
        bounded = self.output is not None and not isinstance(self.output, ArgMax)
        if bounded and len(self.output.low) != self.heads[0].features:  # type: ignore[union-attr]
            raise ValueError(
                f"action bounds have {len(self.output.low)} elements, "  # type: ignore[union-attr]
                f"the head {self.heads[0].name} {self.heads[0].features}"
            )

    @property
    def measures(self) -> bool:
        """Whether a dense layer reads an observation of several quantities, each in its own unit.

        Such as positions beside velocities; not pixels, and not what was normalized before.
        """
        first = self.operations[0] if self.operations else None
        return isinstance(first, Dense) and self.observation.dtype == "float32"

    @property
    def output_shape(self) -> Shape:
        """Shape of what the action is made from."""
        return (self.heads[0].features,)


class Layer(NamedTuple):
    """A layer with a kernel, where its parameters are, and the shapes before and after it."""

    path: str
    operation: Dense | Convolution
    before: Shape
    after: Shape

    @property
    def kernel_shape(self) -> Shape:
        window = self.operation.window if isinstance(self.operation, Convolution) else ()
        return (*window, self.before[-1], self.operation.features)


def layers(network: Network) -> Iterator[Layer]:
    """All dense layers and convolutions in the order in which they are computed, heads last."""
    shape = yield from _layers(network.operations, network.observation.shape, "")
    for head in network.heads:
        yield Layer(head.name, head, shape, shape_after(head, shape))


def _layers(
    operations: tuple[Operation, ...], shape: Shape, scope: str
) -> Generator[Layer, None, Shape]:
    for operation in operations:
        after = shape_after(operation, shape)
        if isinstance(operation, Residual | Block):
            yield from _layers(operation.body, shape, f"{scope}{operation.name}/")
        elif isinstance(operation, Dense | Convolution):
            yield Layer(scope + operation.name, operation, shape, after)
        shape = after
    return shape


def to_json(network: Network) -> str:
    """The network as indented JSON."""
    return _adapter().dump_json(network, indent=2).decode() + "\n"


def from_json(text: str | bytes) -> Network:
    """The network that `to_json` wrote.

    Raises ValueError, one line, where the text is none.
    """
    from pydantic import ValidationError

    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"network: {place}: {first['msg']}".replace(": : ", ": ")) from None


@functools.cache
def _adapter() -> Any:
    # Imported here: who only runs an actor needs no pydantic.
    from pydantic import TypeAdapter

    return TypeAdapter(Network)
