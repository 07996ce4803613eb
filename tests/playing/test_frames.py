"""Stacked frames: NumPy and JAX alike, zeros first, and as replay stacks them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.playing.frames import first_seen, next_seen


@pytest.mark.parametrize("xp", [np, jnp])
def test_frames_come_on_the_last_axis_after_zeros(xp) -> None:
    images = [xp.full((2, 3), number, dtype=xp.uint8) for number in (7, 8, 9)]
    seen = first_seen(images[0], 3)
    assert isinstance(seen, np.ndarray if xp is np else jax.Array) and seen.dtype == xp.uint8
    assert seen.shape == (2, 3, 3) and seen[1, 2].tolist() == [0, 0, 7]
    for image in images[1:]:
        seen = next_seen(seen, image, 3)
    assert seen[0, 0].tolist() == [7, 8, 9]


def test_a_single_frame_stays_without_the_axis() -> None:
    image = np.ones((2, 3))
    assert first_seen(image, 1) is image and next_seen(image + 1, image, 1) is image


def test_frames_are_stacked_in_compiled_programs_too() -> None:
    found = jax.jit(lambda one: next_seen(first_seen(one, 2), one + 1, 2))(jnp.ones((1, 1)))
    assert found.tolist() == [[[1.0, 2.0]]]
