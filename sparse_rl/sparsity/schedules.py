"""When pruning happens, and how much of it: functions of the clock alone."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sparse_rl.sparsity.cubic import cubic_share


class CubicSchedule(NamedTuple):
    """The gradual schedule of Zhu and Gupta (2017), equation 1, on the paper's grid of steps.

    The share of the final sparsity that is reached at step t of the grid
    {t_s, t_s + dt, ..., t_s + n dt} is

        s_t / s_f = 1 - (1 - (t - t_s) / (n dt))^3

    with t_s = `begin`, dt = `interval` and t_s + n dt = `end`. Where `interval` does not divide
    the span, the last step of the grid is `end` itself, so that the final sparsity is reached.
    """

    begin: int
    end: int
    interval: int

    def is_due(self, clock: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether the masks change at this step."""
        on_grid = (clock - self.begin) % self.interval == 0
        inside = (clock >= self.begin) & (clock <= self.end)
        return (on_grid & inside) | (clock == self.end)

    def share(self, clock: Int[Array, ""]) -> Float[Array, ""]:
        """s_t / s_f, from 0 at `begin` to exactly 1 at `end`; 0 before and 1 after."""
        progress = (clock - self.begin) / (self.end - self.begin)
        return cubic_share(jnp.clip(progress, 0.0, 1.0))
