"""The page of the zoo is what its command would write now; tests/play plays it in a browser."""

import base64
import gzip
import json
import re

from benchmarks import live_page
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.play import page


def test_the_committed_page_is_current() -> None:
    """All but the modules, whose bytes depend on the compiler: they are taken from the page.

    That they are those of the files, a browser shows.
    """
    text = live_page.PAGE.read_text()
    data = re.search(r'<script type="application/json" id="studies">(.*?)</script>', text)
    assert data is not None, "run python -m benchmarks.live_page"
    studies = live_page.studies()
    modules = {
        id(level.actor): gzip.decompress(base64.b64decode(one["module"]))
        for study, kept in zip(studies, json.loads(data[1])["studies"], strict=True)
        for level, one in zip(study.levels, kept["levels"], strict=True)
    }

    def compiled(actor: PackedActor) -> bytes:
        return modules[id(actor)]

    assert page.page(studies, compiled) == text, "run python -m benchmarks.live_page"


def test_the_smallest_that_is_not_worse_is_shown_first() -> None:
    pendulum, cartpole, breakout = live_page.studies()
    sizes = [level.size for level in pendulum.levels]
    assert sizes == sorted(sizes, reverse=True) and pendulum.levels[0].name == "dense"
    chosen = pendulum.levels[pendulum.first]
    kept = [level for level in pendulum.levels if level.verdict == "not worse"]
    assert chosen.size == min(level.size for level in kept) < 300
    assert cartpole.levels[cartpole.first].verdict == "undecided"
    # The largest is not worse either; it is not shown beside itself.
    assert breakout.levels[breakout.first].name == "distil0.95-int8"
