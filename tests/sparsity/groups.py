"""N:M by sorting each group in NumPy."""

import numpy as np


def by_hand(scores: np.ndarray, was: np.ndarray, n: int, m: int) -> np.ndarray:
    """In each column, of each m inputs in a row, the n largest of those alive."""
    columns, alive = scores.reshape(-1, scores.shape[-1]), was.reshape(-1, scores.shape[-1])
    found = np.zeros(columns.shape, bool)
    for output in range(columns.shape[1]):
        for first in range(0, columns.shape[0], m):
            group = range(first, min(first + m, columns.shape[0]))
            ranked = sorted(group, key=lambda i: (alive[i, output], columns[i, output], i))
            for i in ranked[-n:]:
                found[i, output] = alive[i, output]
    return found.reshape(scores.shape)
