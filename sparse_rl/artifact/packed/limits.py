"""What a packed file may claim at most, so that a small one cannot take a reader's time or memory.

All are far beyond any actor of the house: the largest, IMPALA's network on 84 x 84 pixels, has 4.2
million weights, tensors of 226 thousand elements and 210 million products for an action. They are
part of the format (docs/packed_format.md), and the writer keeps them as the reader does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

LONGEST_DESCRIPTION = 1 << 17
"""Bytes of its JSON."""
MOST_OPERATIONS = 1000
"""Residual operations and those within them included."""
DEEPEST = 8
"""Residual operations within each other."""
LARGEST_TENSOR = 1 << 22
"""Elements of an observation, and of what any operation gives."""
MOST_PRODUCTS = 1 << 32
"""For an action, with no weight zero; an element under a window of a pool counts as one."""
LARGEST_NUMBER = 1e30
"""Divisors, epsilons and limits lie between one over it and it; bounds of actions within it."""
LONGEST_NAME = 500
"""Characters of an environment, an arm, a digest."""
_WEIGHTS, _WEIGHTS_PER_BYTE, _MOST_WEIGHTS = 1 << 23, 64, 1 << 26


def check_weights(shapes: Sequence[tuple[int, ...]], size: int) -> None:
    """Raises ValueError where arrays of these shapes are too many elements for `size` bytes.

    Allowed are 2^23, or 64 for each byte of the file where that is more, and never more than 2^26.
    """
    allowed = min(max(_WEIGHTS, _WEIGHTS_PER_BYTE * size), _MOST_WEIGHTS)
    if (found := sum(map(math.prod, shapes))) > allowed:
        raise ValueError(f"it claims {found:.4g} weights; allowed in {size} bytes: {allowed}")


def check_tensor(shape: tuple[int, ...]) -> None:
    """Raises ValueError for a tensor that is too large."""
    if math.prod(shape) > LARGEST_TENSOR:
        raise ValueError(f"a tensor of {math.prod(shape):.4g} elements; allowed: {LARGEST_TENSOR}")
