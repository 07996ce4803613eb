import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sparse_rl.report import run_view
from sparse_rl.report.films import beside_dense, median_seed, own_film
from sparse_rl.report.findings import analyse
from sparse_rl.report.page import write_page
from sparse_rl.runs.layout import ABOUT_FILM, FILM
from sparse_rl.runs.metrics import Row, joined, table_of
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE, Variant

MakeRun = Callable[..., Path]
TOLD = {
    "seed": 3,
    "seeds": 8,
    "variants": [
        {"variant": "0", "sparsity": 0.0, "verdict": "", "return": 2600.0},
        {"variant": "0.95-int8", "sparsity": 0.95, "verdict": "not worse", "return": 2543.21},
    ],
}


def table(*rows: tuple[str, float, str, str]) -> pd.DataFrame:
    columns = ["variant", "target_sparsity", "arithmetic", "verdict"]
    dense = ("0", 0.0, "float32", "")
    return pd.DataFrame([dense, *rows], columns=columns).assign(
        seeds=3, method="gradual", critic_sparsity=0.0
    )


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ((("0.9", 0.9, "float32", "not worse"), ("0.95", 0.95, "float32", "undecided")), "0.9"),
        ((("0.9", 0.9, "float32", "not worse"), ("0.9-int8", 0.9, "int8", "not worse")),
         "0.9-int8"),
        ((("0.9", 0.9, "float32", "few seeds"), ("0.95", 0.95, "float32", "worse")), "0.9"),
        ((("0.9", 0.9, "float32", "worse"), ("0.95", 0.95, "float32", "worse")), "0.95"),
        ((("0-int8", 0.0, "int8", "not worse"), ("0.9", 0.9, "float32", "undecided")), "0.9"),
        ((("0-int8", 0.0, "int8", "not worse"),), "0-int8"),
        ((("0.9", 0.9, "float32", "not worse"), ("0.95", 0.95, "float32", "undecided"),
          ("0.98", 0.98, "float32", "not worse")), "0.9"),
    ],
)  # fmt: skip
def test_the_sparsest_variant_without_loss_stands_beside_dense(
    rows: tuple[tuple[str, float, str, str], ...], chosen: str
) -> None:
    found = beside_dense(table(*rows))
    assert found is not None and found["variant"] == chosen


def test_dense_alone_and_arms_whose_members_all_failed() -> None:
    assert beside_dense(table()) is None
    failed = table(("0.9", 0.9, "float32", "few seeds"))
    assert beside_dense(failed.assign(seeds=[3, 0])) is None


@pytest.mark.parametrize(("seeds", "place"), [(5, 2), (4, 1), (1, 0)])
def test_the_seed_is_the_median_of_the_compressed_arm(seeds: int, place: int) -> None:
    returns = np.random.default_rng(seeds).permutation(seeds).astype(float)
    rows = [
        Row(100, "final", seed, variant, "return", value)
        for seed in range(seeds)
        for variant, value in (("0", -returns[seed]), ("0.9", returns[seed]))
    ]
    variants = {"0": DENSE, "0.9": Variant(sparsity=0.9)}
    metrics = joined(table_of(rows), variants)
    assert returns[median_seed(metrics, ["0", "0.9"])] == place
    metrics = joined(table_of([*rows, Row(100, "final", 0, "0", "failed", 1.0)]), variants)
    if seeds == 1:
        with pytest.raises(
            ValueError, match=r"every seed failed in at least one of the variants 0, 0\.9"
        ):
            median_seed(metrics, ["0", "0.9"])
    else:
        assert median_seed(metrics, ["0", "0.9"]) != 0


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take seconds to draw, and stand elsewhere on the page."""
    monkeypatch.setattr(run_view, "LEADING", ())
    monkeypatch.setattr(run_view, "FOLLOWING", ())


def colours(picture: str) -> tuple[int, ...]:
    data = base64.b64decode(picture.partition(",")[2])
    with Image.open(io.BytesIO(data)) as image:
        found = image.convert("RGB").getpixel((5, 5))
    assert isinstance(found, tuple)
    return found


@pytest.mark.usefixtures("without_figures")
def test_the_page_shows_the_runs_own_film_and_its_last_frame_to_those_who_want_no_motion(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (10, 250)]
    frames[0].save(run / FILM, save_all=True, append_images=frames[1:], duration=100)
    (run / ABOUT_FILM).write_text(json.dumps(TOLD))
    text = write_page([analyse(Run(run))], tmp_path / "report").read_text()
    still = re.search(r'media="\(prefers-reduced-motion: reduce\)" srcset="([^"]+)"', text)
    moving = re.search(r'<img src="(data:image/gif[^"]+)"', text)
    assert still and moving
    assert colours(still[1])[0] > 200 and colours(moving[1])[0] < 50
    caption = re.search(r"<figcaption>(Left: dense.*?)</figcaption>", text)
    assert caption and caption[1] == (
        "Left: dense; right: 0.95-int8, 95 % sparse, the sparsest variant that is not worse than "
        "dense. Both are seed 3, the median of 8 seeds by the return of 0.95-int8, and start "
        "alike. Final evaluation of this seed: dense 2,600, 0.95-int8 2,543; the films show one "
        "episode."
    )


@pytest.mark.usefixtures("without_figures")
def test_the_page_says_why_there_is_no_film(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    (run / ABOUT_FILM).write_text(json.dumps({"reason": "atari: <there> is no drawing of it"}))
    text = write_page([analyse(Run(run))], tmp_path / "report").read_text()
    assert "No film: atari: &lt;there&gt; is no drawing of it." in text
    (run / ABOUT_FILM).unlink()
    text = write_page([analyse(Run(run))], tmp_path / "report").read_text()
    assert "See it move" not in text


@pytest.mark.parametrize("text", ["{", '{"seed": 1}', "[]"])
def test_a_damaged_description_is_named(make_run: MakeRun, text: str) -> None:
    run = make_run()
    Image.new("RGB", (40, 30)).save(run / FILM)
    (run / ABOUT_FILM).write_text(text)
    with pytest.raises(ValueError, match=r"film\.json: damaged: "):
        own_film(Run(run))
