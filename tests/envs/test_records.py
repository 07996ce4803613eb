"""Trees of arrays as rows of words: nothing changes on the way, in either direction."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparse_rl.envs.records import Record

BATCH = 3
SHAPES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "frame": (np.uint8, (2, 3)),  # 6 bytes: no whole number of words
    "small": (np.int16, (5,)),
    "half": (np.float16, (1,)),
    "flags": (bool, (5,)),
    "alone": (bool, ()),
    "words": (np.uint32, (4,)),
    "counts": (np.int32, (2, 2)),
    "values": (np.float32, (3,)),
    "nothing": (np.float32, (0,)),
}


def tree(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Every pattern of bits that a type has may occur, NaNs among them."""
    draw = np.random.default_rng(seed)
    arrays = {}
    for name, (kind, shape) in SHAPES.items():
        number = np.dtype(kind)
        raw = draw.integers(0, 256, (BATCH, *shape, number.itemsize), np.uint8)
        flat = raw & 1 if number.kind == "b" else raw
        arrays[name] = np.ascontiguousarray(flat).view(number)[..., 0]
    return arrays, np.float32(draw.normal(size=BATCH))


def bits(leaf: Any) -> tuple[str, tuple[int, ...], bytes]:
    array = np.asarray(leaf)
    return str(array.dtype), array.shape, array.tobytes()


@pytest.mark.parametrize("there", ["jax", "numpy"])
@pytest.mark.parametrize("back", ["jax", "numpy"])
def test_what_is_packed_comes_back_bit_by_bit(there: str, back: str) -> None:
    given = tree()
    record = Record.of(given)
    rows: Any = (
        jax.jit(record.pack)(jax.tree.map(jnp.asarray, given))
        if there == "jax"
        else record.write(given, BATCH)
    )
    assert rows.shape == (BATCH, record.words)
    found = jax.jit(record.unpack)(rows) if back == "jax" else record.read(np.asarray(rows))
    assert jax.tree.map(bits, found) == jax.tree.map(bits, given)


def test_a_row_is_as_long_as_its_arrays_in_whole_words() -> None:
    # 6 -> 2, 10 -> 3, 2 -> 1, 5 -> 2, 1 -> 1, then 4, 4, 3 and 0 words, then one.
    assert Record.of(tree()).words == 2 + 3 + 1 + 2 + 1 + 4 + 4 + 3 + 0 + 1


def test_the_batch_of_an_example_does_not_matter() -> None:
    given = tree()
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), given)
    assert Record.of(one) == Record.of(given)


def test_numbers_of_another_type_are_converted_on_the_way_back() -> None:
    record = Record.of({"reward": jax.ShapeDtypeStruct((2,), np.float32)})
    rows = record.write({"reward": np.array([0.1, -1e-300])}, 2)
    assert bits(record.read(rows)["reward"]) == bits(np.float32([0.1, -0.0]))
