"""The picture of all studies, the pages of results and policies, the README's table.

    python -m benchmarks.overview

Writes docs/images/overview.png and overview_dark.png, docs/results.md, docs/zoo.md, and what stands
in README.md between its marks, all from results/. Every folder results/NAME that holds a run's
metrics.csv.gz, config.yaml and versions.txt is found by itself; folders inside one are its repeats
with other seeds. Nothing is typed: after a new study this command is run, and a test compares what
is committed with what it would write.
"""

from __future__ import annotations

import argparse
import hashlib
import io
from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from benchmarks import overview_picture, results_page, zoo_page
from benchmarks.studies import FLOAT32, INT8, ROOT, Study, drawn, read_all, shown
from sparse_rl import atomic_file

PICTURES = {
    ROOT / "docs" / "images" / "overview.png": overview_picture.LIGHT,
    ROOT / "docs" / "images" / "overview_dark.png": overview_picture.DARK,
}
PAGE = ROOT / "docs" / "results.md"
ZOO = ROOT / "docs" / "zoo.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- results: python -m benchmarks.overview -->\n", "<!-- end of results -->"
MANY_SEEDS = 10
DATA = "Data"
"""The PNG's entry with the digest of what it shows: fonts differ between machines, data do not."""


def digest(studies: list[Study]) -> str:
    """SHA-256 of all that the picture shows, rounded to what can be seen."""
    tables = [
        pd.concat({kind: study.normalized(kind) for kind in (FLOAT32, INT8)}).round(3)
        for study in studies
    ]
    text = "\n".join(
        f"{overview_picture.heading(study)}\n{table.to_csv(index=False)}"
        for study, table in zip(studies, tables, strict=True)
    )
    return hashlib.sha256(text.encode()).hexdigest()


def picture(studies: list[Study], look: overview_picture.Look) -> bytes:
    """The PNG of the studies that there is something to see of."""
    figure = overview_picture.draw(studies, look)
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    metadata = {"Title": "Return against sparsity", DATA: digest(studies)}
    figure.savefig(buffer, format="png", dpi=200, metadata=metadata, facecolor=look.page)
    return buffer.getvalue()


def digest_of(file: Path) -> str:
    """The digest in a PNG that `picture` has made; empty where it has none."""
    with Image.open(file) as image:
        image.load()
        return str(image.info.get(DATA, ""))


def readme_table(studies: list[Study]) -> str:
    """The table of those studies whose seeds are many enough for a first page."""
    many = [study for study in shown(studies) if study.run.config.seeds >= MANY_SEEDS]
    return results_page.short_table(many, "docs/results.md")


def with_table(readme: str, table: str) -> str:
    """The README with this table between its marks. Raises ValueError where it has none."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md: found no marks; needed are {BEGIN.strip()} and {END}")
    return f"{before}{begin}{table}{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    studies = read_all()
    for file, look in PICTURES.items():
        atomic_file.write_bytes(file, picture(drawn(studies), look))
    atomic_file.write_text(PAGE, results_page.page(studies))
    atomic_file.write_text(ZOO, zoo_page.page(studies))
    atomic_file.write_text(README, with_table(README.read_text(), readme_table(studies)))
    for file in (*PICTURES, PAGE, ZOO, README):
        print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
