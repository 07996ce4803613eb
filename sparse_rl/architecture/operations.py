"""The operations, inputs and outputs that networks are made of: names, sizes and constants.

An operation with a `name` has parameters, or a scope for those within it: the kernel of a dense
layer `hidden_0` is `hidden_0/kernel`, and inside a block `stack_0` it is `stack_0/hidden_0/kernel`.
The field `kind` tells operations apart in JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Padding = Literal["SAME", "VALID"]


@dataclass(frozen=True)
class Observation:
    """What a network reads: `shape` as delivered to it, frames already stacked on the last axis.

    uint8 and bool are converted to float32; `divisor` (255 for pixels) divides the converted value.
    """

    shape: tuple[int, ...]
    dtype: Literal["float32", "uint8", "bool"] = "float32"
    divisor: float = 1.0
    frame_stack: int = 1

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "uint8", "bool"):
            raise ValueError(f"observation dtype {self.dtype!r}: expected float32, uint8 or bool")
        if not self.shape or any(size < 1 for size in self.shape):
            raise ValueError(f"observation shape {self.shape}: expected positive sizes")


@dataclass(frozen=True)
class Initializer:
    """How a layer's parameters begin.

    "uniform": kernel and bias from U(-gain / sqrt(fan_in), gain / sqrt(fan_in)), with gain 1
    PyTorch's default. "orthogonal": the kernel, as a matrix [inputs, outputs], is `gain` times an
    orthogonal one (Saxe et al. 2014, arXiv 1312.6120), the bias zero, as on-policy agents use it.
    """

    scheme: Literal["uniform", "orthogonal"] = "uniform"
    gain: float = 1.0


UNIFORM = Initializer()


@dataclass(frozen=True)
class Dense:
    """y = x W + b on the last axis; `name`/kernel [inputs, features], `name`/bias [features]."""

    name: str
    features: int
    initializer: Initializer = UNIFORM
    kind: Literal["dense"] = "dense"


@dataclass(frozen=True)
class Convolution:
    """NHWC cross-correlation with bias; `name`/kernel [*window, channels, features]."""

    name: str
    features: int
    window: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: Padding = "VALID"
    initializer: Initializer = UNIFORM
    kind: Literal["convolution"] = "convolution"

    def __post_init__(self) -> None:
        check_window(self.window, self.padding)
        check_window(self.strides, self.padding)


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""

    kind: Literal["relu"] = "relu"


@dataclass(frozen=True)
class Tanh:
    """tanh(x)."""

    kind: Literal["tanh"] = "tanh"


@dataclass(frozen=True)
class LayerNorm:
    """y = (x - mean) / sqrt(variance + epsilon) * scale + bias (Ba et al. 2016, arXiv 1607.06450).

    Mean and (biased) variance over the last axis; `name`/scale and `name`/bias [features]. The
    default of epsilon is PyTorch's.
    """

    name: str
    epsilon: float = 1e-5
    kind: Literal["layer_norm"] = "layer_norm"


@dataclass(frozen=True)
class Normalize:
    """y = clip((x - mean) / sqrt(variance + epsilon), -limit, limit), with statistics from outside.

    `name`/mean and `name`/variance have the shape of x, are float32 and not trained. The defaults
    are those of Stable-Baselines3's VecNormalize.
    """

    name: str
    epsilon: float = 1e-8
    limit: float = 10.0
    kind: Literal["normalize"] = "normalize"


@dataclass(frozen=True)
class MaxPool:
    """The largest value under a window of each channel."""

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: Padding = "VALID"
    kind: Literal["max_pool"] = "max_pool"

    def __post_init__(self) -> None:
        check_window(self.window, self.padding)
        check_window(self.strides, self.padding)


@dataclass(frozen=True)
class Flatten:
    """All axes of an observation as one, the last one fastest."""

    kind: Literal["flatten"] = "flatten"


@dataclass(frozen=True)
class Residual:
    """x + body(x); the parameters of the body lie in the scope `name`."""

    name: str
    body: tuple[Operation, ...]
    kind: Literal["residual"] = "residual"


@dataclass(frozen=True)
class Block:
    """The operations of the body, one after the other, in the scope `name`."""

    name: str
    body: tuple[Operation, ...]
    kind: Literal["block"] = "block"


Operation = (
    Dense | Convolution | Relu | Tanh | LayerNorm | Normalize | MaxPool | Flatten | Residual | Block
)


@dataclass(frozen=True)
class Squash:
    """Continuous action: low + (tanh(x) + 1) / 2 * (high - low)."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    kind: Literal["squash"] = "squash"

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)


@dataclass(frozen=True)
class Clip:
    """Continuous action: low + (clip(x, -1, 1) + 1) / 2 * (high - low)."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    kind: Literal["clip"] = "clip"

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)


@dataclass(frozen=True)
class ArgMax:
    """Discrete action: the index of the largest output, the first of equal ones."""

    kind: Literal["argmax"] = "argmax"


Output = Squash | Clip | ArgMax


def check_window(sizes: tuple[int, int], padding: str) -> None:
    """Raises ValueError for sizes of a window or stride, or a padding, that cannot be."""
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"window or stride {sizes}: expected two positive sizes")
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"padding {padding!r}: expected SAME or VALID")


def check_bounds(low: tuple[float, ...], high: tuple[float, ...]) -> None:
    """Raises ValueError where the bounds of an action do not belong together."""
    if len(low) != len(high) or not low:
        raise ValueError(f"action bounds of {len(low)} and {len(high)} elements")
