"""What a run directory holds, by name.

config.yaml                 what was asked for
versions.txt                command, commit, packages
run.json                    the format's version, the phases, a digest of every policy
variants.json               a record for each variant's name
network.json                the policy's network as data
metrics.csv                 a row for each member, step and metric
timing.csv                  when training was where, and how fast
policies/VARIANT.safetensors   parameters and masks, stacked over seeds
summary.md                  the final table; written last, so it marks a finished run
dense/                      the dense members at their end, where other studies are to go on
tensorboard/  checkpoints/  artifacts/VARIANT/  report/  film.gif  film.json  wandb.json
"""

from __future__ import annotations

from pathlib import Path

from sparse_rl.config.starting import FILE, KEPT

FORMAT = 2
"""The version that is written. Format 1 has no run.json and no variants.json."""

CONFIG, VERSIONS, SUMMARY = FILE, "versions.txt", "summary.md"
RECORD, VARIANTS, METRICS = "run.json", "variants.json", "metrics.csv"
TIMING = "timing.csv"
NETWORK = "network.json"
POLICIES, ARTIFACTS, EVENTS, CHECKPOINTS = "policies", "artifacts", "tensorboard", "checkpoints"
DENSE = KEPT
"""The dense members at their end, where `checkpoint.keep_dense` leaves them."""
REPORT = "report"
FILM, ABOUT_FILM = "film.gif", "film.json"
"""The run's own film, and what is in it or why there is none."""
PLAYED_LIVE = "play.html"
"""In the report's folder: the page in which the run's policies play, if one was made."""
WANDB = "wandb.json"
"""Which of W&B's runs belong to this one, and what they have been sent."""
LOCK = ".lock"
"""Held by the process that writes."""
OWN = (
    *(CONFIG, VERSIONS, SUMMARY, RECORD, VARIANTS, METRICS, TIMING, NETWORK, POLICIES, ARTIFACTS),
    *(EVENTS, CHECKPOINTS, DENSE, REPORT, FILM, ABOUT_FILM),
)
"""What a run writes and may remove again; a start that W&B refused has left its file there."""
FINAL, PREFILL = "final", "prefill"
"""The phases, in metrics.csv, of the last evaluation and of acting at random."""
RETURN_SPREAD = "return_spread"
"""The metric of the last evaluation that has the standard deviation of an episode's return."""


def policy_file(run: Path, variant: str) -> Path:
    """The policies of a variant."""
    return run / POLICIES / f"{variant}.safetensors"


def artifacts(run: Path, variant: str) -> Path:
    """The folder of a variant's exported actor."""
    return run / ARTIFACTS / variant
