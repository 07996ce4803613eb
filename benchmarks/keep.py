"""Keeps a finished run's results in the repository: everything but policies, figures and logs.

    python -m benchmarks.keep runs/demo results/pendulum
    python -m benchmarks.keep runs/demo_seeds_10 results/pendulum/seeds_10

Then `python -m benchmarks.overview` shows them; a folder inside another is its repeat.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from sparse_rl import atomic_file
from sparse_rl.gzipped import gzipped
from sparse_rl.runs import layout
from sparse_rl.runs.run import Run

SMALL = (
    *(layout.CONFIG, layout.VERSIONS, layout.NETWORK, layout.RECORD),
    *(layout.VARIANTS, layout.SUMMARY),
)


def keep(run: Path, results: Path) -> None:
    """Copies the small files, and the metrics in gzip; the same metrics give the same bytes.

    Raises ValueError, one line, where the run is damaged or not finished.
    """
    Run(run).summary()
    results.mkdir(parents=True, exist_ok=True)
    for name in SMALL:
        with atomic_file.replacing(results / name) as part:
            shutil.copyfile(run / name, part)
    metrics = (run / layout.METRICS).read_bytes()
    atomic_file.write_bytes(results / f"{layout.METRICS}.gz", gzipped(metrics))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a finished run directory")
    parser.add_argument("results", type=Path, help="a folder in results/, new or to be replaced")
    words = parser.parse_args()
    keep(words.run, words.results)
    print(words.results)


if __name__ == "__main__":
    main()
