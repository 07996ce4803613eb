"""The card: words, JSON with digests of the files, found beside the file that it is of."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_rl.artifact import card
from sparse_rl.artifact.card import Card, Interval, Mean

CARD = Card(
    environment="gymnax/Pendulum-v1",
    variant="0.9-int8",
    policy="seed 3",
    chosen="the best of 10 seeds",
    own=Mean(-137.126, 3.14, 100),
    fresh=Mean(-141.0, 9.9, 10),
    policies="all 10 seeds",
    alike=Interval(-140.0, -145.5, -135.25),
    reference="dense",
    difference=Interval(-1.0, -3.0, 1.5),
    fresh_difference=None,
    margin=52.34,
    verdict="not worse",
    made_by={"configuration": "abc", "sparse_rl": "1.2"},
)


def test_it_says_what_the_actor_is_worth_and_how_it_was_chosen() -> None:
    assert CARD.lines() == [
        "Seed 3, the best of 10 seeds: return -137.13 +- 3.1 in 100 episodes.",
        "Afterwards: -141 +- 9.9 in 10 episodes.",
        "All 10 seeds: -140 (95 % interval -145.5 .. -135.2).",
        "Minus dense: -1 (95 % interval -3 .. +1.5), margin 52.3: not worse.",
        "Configuration abc; sparse_rl 1.2.",
    ]


def test_what_is_not_known_is_left_out() -> None:
    nothing = Interval(*3 * [math.nan])
    alone = replace(CARD, fresh=None, verdict="", difference=nothing, margin=math.nan)
    alone = replace(alone, own=Mean(5.0, math.nan, 1), alike=Interval(5.0, math.nan, math.nan))
    assert alone.lines() == [
        "Seed 3, the best of 10 seeds: return 5 in 1 episode.",
        "All 10 seeds: 5.",
        "Configuration abc; sparse_rl 1.2.",
    ]
    told = json.loads(alone.to_json([], Path()), parse_constant=pytest.fail)
    assert told["difference"] == [None] * 3 and told["return"]["standard_error"] is None
    assert told["verdict"] == "this is dense itself"


def test_the_card_is_found_beside_the_files_it_names_while_they_are_the_same(
    tmp_path: Path,
) -> None:
    inner = tmp_path / "c" / "actor.c"
    inner.parent.mkdir()
    inner.write_text("int x;")
    file = tmp_path / "actor.srl"
    file.write_bytes(b"an actor")
    (tmp_path / "other.srl").write_bytes(b"an actor")
    (tmp_path / card.FILE).write_text(CARD.to_json([file, inner], tmp_path))
    found = card.beside(file)
    assert found is not None and found["in_words"] == CARD.lines()
    digest = hashlib.sha256(b"an actor").hexdigest()
    assert found["files"]["actor.srl"] == {"bytes": 8, "sha256": digest}
    assert found["files"]["c/actor.c"]["bytes"] == 6
    assert card.beside(tmp_path / "other.srl") is None
    file.write_bytes(b"another")
    assert card.beside(file) is None
    for broken in (b"", b"[]", b'{"files": {"actor.srl": 3}}', b"\xff", b'{"files": []}'):
        (tmp_path / card.FILE).write_bytes(broken)
        assert card.beside(file) is None
