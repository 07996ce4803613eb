"""The page's numbers against ones computed here from metrics.csv, and its look in a browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from sparse_rl.report.findings import analyse
from sparse_rl.report.page import write_page
from sparse_rl.report.seeds import so_far
from sparse_rl.report.sentences import no_loss
from sparse_rl.runs.metrics import Row, joined, table_of
from sparse_rl.runs.run import Run
from sparse_rl.runs.variant import DENSE

MakeRun = Callable[..., Path]
FIGURES = {
    *("panel", "differences", "learning_curves", "frontier", "schedule", "density", "fan_out")
}


@pytest.fixture(scope="module")
def page_file(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page([analyse(Run(finished_run))], tmp_path_factory.mktemp("report"))


def final_returns(run: Path, variant: str) -> np.ndarray:
    rows = pd.read_csv(run / "metrics.csv", dtype={"variant": str})
    rows = rows[(rows.phase == "final") & (rows.metric == "return")]
    rows = rows[rows.variant == variant]
    return rows.sort_values("seed").value.to_numpy()


def cell(page: str, variant: str, column: str) -> str:
    row = re.search(rf'<tr[^>]*data-variant="{re.escape(variant)}">(.*?)</tr>', page, re.DOTALL)
    assert row, f"no row for {variant}"
    found = re.search(rf'data-column="{column}"[^>]*>([^<]*)<', row[1])
    assert found, f"no column {column}"
    return unescape(found[1])


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_numbers_of_the_table(finished_run: Path, page_file: Path) -> None:
    run, page = finished_run, page_file.read_text()
    dense = final_returns(run, "0")
    for sparsity, variant in ((0.5, "0.5"), (0.98, "0.98"), (0.95, "0.95-int8")):
        returns = final_returns(run, variant)
        differences = returns - dense
        half_width = stats.t(7).ppf(0.975) * differences.std(ddof=1) / np.sqrt(8)
        assert number(cell(page, variant, "return")) == pytest.approx(
            np.sort(returns)[2:6].mean(), abs=0.5
        )
        assert number(cell(page, variant, "difference")) == pytest.approx(
            differences.mean(), abs=0.5
        )
        low, high = map(number, cell(page, variant, "difference_interval").split(" .. "))
        assert low == pytest.approx(differences.mean() - half_width, abs=0.5)
        assert high == pytest.approx(differences.mean() + half_width, abs=0.5)
        wins = (returns[:, None] > dense[None, :]).mean()
        assert number(cell(page, variant, "probability")) == pytest.approx(wins, abs=0.005)
        assert number(cell(page, variant, "weights")) == 4992 - round(sparsity * 4992)


def test_the_claim_at_the_top_is_the_one_the_numbers_allow(
    finished_run: Path, page_file: Path
) -> None:
    run, page = finished_run, page_file.read_text()
    dense = final_returns(run, "0")
    margin = 0.05 * (dense.mean() - 20.0)
    without_loss = []
    for level in (0.5, 0.8, 0.9, 0.95, 0.98, 0.99):
        differences = final_returns(run, f"{level:g}") - dense
        half_width = stats.t(7).ppf(0.975) * differences.std(ddof=1) / np.sqrt(8)
        if differences.mean() - half_width > -margin:
            without_loss.append(level)
    claim = f"Pruned: not worse than dense up to {100 * max(without_loss):g} % sparsity"
    assert claim in page
    assert page.index(claim) < page.index("<svg")
    assert f"wholly above -{margin:,.4g}" in page


def test_a_margin_that_is_asked_for_changes_the_claim(finished_run: Path) -> None:
    findings = analyse(Run(finished_run), margin=2000.0)
    assert findings.table is not None
    claims = [sentence.claim for sentence in no_loss(findings.table)]
    assert claims[0] == "Pruned: not worse than dense up to 99 % sparsity"


def test_page_is_self_contained_and_figures_are_written_as_files(
    page_file: Path,
) -> None:
    page = page_file
    text = page.read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']+""", text)
    assert "@import" not in text and "<script" not in text
    for name in FIGURES:
        assert f'id="hopper-{name}"' in text
        with Image.open(page.parent / "figures" / "hopper" / f"{name}.png") as image:
            assert min(image.size) > 300
        svg = (page.parent / "figures" / "hopper" / f"{name}.svg").read_text()
        assert svg.rstrip().endswith("</svg>")
    assert not list(page.parent.rglob("*.part"))


def test_references_within_the_page_are_unique_and_resolve(page_file: Path) -> None:
    text = page_file.read_text()
    identifiers = re.findall(r'\bid="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers))
    referred = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    assert referred <= set(identifiers)


def test_on_a_telephone_the_first_columns_are_the_answer(page_file: Path) -> None:
    head = re.search(r'<table class="variants">\s*<thead>(.*?)</thead>', page_file.read_text())
    assert head is not None
    names = re.findall(r"<th[^>]*>([^<]*)</th>", head[1])
    assert names[:3] == ["variant", "return (IQM)", "verdict"] and len(names) == 10


def test_every_seed_has_a_cell_and_those_that_lost_are_marked(
    finished_run: Path, page_file: Path
) -> None:
    table = re.search(r'<table class="seeds">(.*?)</table>', page_file.read_text(), re.DOTALL)
    assert table is not None
    dense = final_returns(finished_run, "0")
    margin = 0.05 * (dense.mean() - 20.0)
    for variant in ("0.5", "0.98", "0.99-int8"):
        row = re.search(rf'<tr data-variant="{variant}">(.*?)</tr>', table[1])
        assert row is not None
        cells = re.findall(r"<td( class=\"lost\")?>([^<]*)</td>", row[1])
        returns = final_returns(finished_run, variant)
        np.testing.assert_allclose([number(cell) for _, cell in cells], returns, atol=0.6)
        assert [bool(lost) for lost, _ in cells] == list(returns < dense - margin)


def test_unfinished_run_has_a_page_that_claims_nothing(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    rows = pd.read_csv(run / "metrics.csv")
    rows[(rows.phase != "final") & (rows.step <= 40_000)].to_csv(run / "metrics.csv", index=False)
    text = write_page([analyse(Run(run))], tmp_path / "report").read_text()
    assert "The run is not finished" in text
    assert "not worse than dense" not in text
    assert 'id="hopper-learning_curves"' in text and 'id="hopper-panel"' not in text


def test_a_seed_whose_last_return_is_no_number_is_not_counted_so_far() -> None:
    returns = [Row(10, "dense", seed, "0", "return", float(seed)) for seed in range(3)]
    lost = Row(10, "dense", 3, "0", "return", float("nan"))
    (row,) = so_far(joined(table_of([*returns, lost]), {"0": DENSE}))
    assert (row["return"], row["lowest"], row["seeds"]) == ("1", "0", "3 of 4")


def test_run_without_a_dense_arm_has_a_page(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(levels=(0.5, 0.9), modes=())
    text = write_page([analyse(Run(run))], tmp_path / "report").read_text()
    assert "No dense network to compare with" in text
    assert 'id="hopper-panel"' in text and 'id="hopper-frontier"' in text


def test_films_of_dense_and_the_sparsest_lossless_arm_are_shown(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    for arm in ("0", "0.95-int8"):
        Image.new("RGB", (40, 30)).save(run / "artifacts" / arm / "film.gif")
    text = write_page([analyse(Run(run))], tmp_path / "report").read_text()
    assert text.count("data:image/gif;base64,") == 2
    assert "0.95-int8: 95 % sparse" in text


# In a browser.

MEASURE = """<script>
const boxes = [...document.querySelectorAll("figure.plot")].map(figure => {
  const boxes = [...figure.querySelectorAll("svg")].map(svg => svg.getBoundingClientRect());
  const box = boxes.find(box => box.width > 0);  // the other is for another width
  return {name: figure.id, left: box.left, top: box.top, width: box.width, height: box.height};
});
const page = {width: document.documentElement.scrollWidth,
              height: document.documentElement.scrollHeight};
document.body.insertAdjacentHTML(
  "beforeend", `<pre id="measured">${JSON.stringify({boxes, page})}</pre>`);
</script></body>"""


def chromium(*arguments: str, profile: Path) -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    quiet = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
        *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    )
    command = [program, *quiet, f"--user-data-dir={profile}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout


@pytest.mark.parametrize(
    ("width", "dark"), [(1200, False), (1200, True), (500, False)], ids=["wide", "dark", "narrow"]
)
def test_every_figure_is_visible_in_a_browser(
    page_file: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    page = page_file
    measuring = tmp_path / "measuring.html"
    measuring.write_text(page.read_text().replace("</body>", MEASURE))
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    window = f"--window-size={width},900"
    dom = chromium(window, scheme, "--dump-dom", f"file://{measuring}", profile=tmp_path / "p1")
    found = re.search(r'<pre id="measured">(\{"boxes.*?)</pre>', dom)
    assert found
    measured = json.loads(unescape(found[1]))
    assert {box["name"] for box in measured["boxes"]} == {f"hopper-{name}" for name in FIGURES}
    assert measured["page"]["width"] <= width, "the page must not scroll sideways"
    height = measured["page"]["height"]
    picture = tmp_path / "page.png"
    chromium(
        f"--window-size={width},{height}",
        scheme,
        f"--screenshot={picture}",
        f"file://{page}",
        profile=tmp_path / "p2",
    )
    pixels = np.asarray(Image.open(picture).convert("L"), dtype=float)
    assert (pixels[5, 5] < 60) == dark
    for box in measured["boxes"]:
        left, top = int(box["left"]), int(box["top"])
        assert box["width"] > 250 and box["height"] > 100, box
        assert left >= 0 and left + box["width"] <= max(width, 1200), box
        part = pixels[top : top + int(box["height"]), left : left + int(box["width"])]
        # Text and lines: a blank or single-coloured figure has no spread, whatever its colour.
        assert part.size > 20_000 and part.std() > 8, box
