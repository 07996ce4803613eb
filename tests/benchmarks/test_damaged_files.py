"""Some of the files of `python -m benchmarks.damaged_files`, with every kind of damage."""

import random
import warnings

from benchmarks.damaged_files import outcome
from benchmarks.packed_mutations import damaged
from benchmarks.packed_originals import originals
from sparse_rl.artifact.packed import from_bytes


def test_damage_is_refused_in_one_way_or_leaves_an_actor(tmp_path):
    draw, files = random.Random(0), originals()
    for data in files:
        from_bytes(data)
    path, seen, kinds = tmp_path / "actor.srl", set(), set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(400):
            kind, data = damaged(draw, files)
            path.write_bytes(data)
            found = outcome(path)
            assert found in ("read", "refused"), (kind, found)
            seen.add(found)
            kinds.add(kind)
    assert seen == {"read", "refused"} and len(kinds) == 10


def test_a_seed_makes_the_same_files_whatever_was_made_before():
    files = originals()
    first, again = (
        [damaged(draw, files) for _ in range(4000)] for draw in (random.Random(2), random.Random(2))
    )
    assert first == again
