"""Puts a finished run's policies into the model zoo: packed files with a card each.

    python -m benchmarks.zoo runs/pendulum results/pendulum

Writes results/NAME/policies: the dense policy, the one of 90 % in int8, of all variants whose
verdict is "not worse" the one with the smallest file and the one with the fewest weights, and where
the sparsest of all is worse than dense that one too, for all to see. Of each variant it is the seed
with the highest return in the run's last evaluation. The card's return is not that one, which was
the best by luck, too: it is of new episodes, which the file itself plays. After it,
`python -m benchmarks.overview` makes the page of all cards.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from sparse_rl import atomic_file
from sparse_rl.artifact import packed
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.artifact.runtime import Actor
from sparse_rl.config.reading import from_mapping
from sparse_rl.envs import VectorEnv, make
from sparse_rl.export import choose_seed
from sparse_rl.playing.play import play
from sparse_rl.report.films import dense_name
from sparse_rl.runs.run import Run
from sparse_rl.runs.settings import read_settings
from sparse_rl.runs.variant import Variant
from sparse_rl.summary.final_table import WORSE, not_worse_in_order

EPISODES, START = 200, 1000
"""How many episodes a card's return is of, and the number that their starts follow from."""
CARDS = "cards.json"
CHOICE = "the highest return in the run's last evaluation"


class Card(NamedTuple):
    """What is said of one file.

    Attributes:
        file: its name.
        why: why it is in the zoo.
        size: in bytes.
        sha256: of the file.
        environment: where it was trained and played.
        variant, seed, config_digest: as in the file itself.
        seed_choice: how the seed was chosen, in words.
        sparsity: mean of the variant's seeds, as counted.
        verdict: of the variant, all seeds, against dense.
        mean, low, high: return of the file in new episodes, with a 95 % Student interval.
        spread: standard deviation of one episode's return.
        episodes: how many.
        recorded: return in the run's last evaluation.
        training: the command that trained it.
    """

    file: str
    why: str
    size: int
    sha256: str
    environment: str
    variant: str
    seed: int
    config_digest: str
    seed_choice: str
    sparsity: float
    verdict: str
    mean: float
    low: float
    high: float
    spread: float
    episodes: int
    recorded: float
    training: str


def chosen(run: Run) -> dict[str, list[str]]:
    """Which variants, each with the reasons why; dense is the first.

    Raises ValueError where the run has no dense variant.
    """
    table = run.summary()
    dense = dense_name(table)
    if dense is None:
        raise ValueError(f"{run.path}: has no dense variant; needed is one")
    order = table.sort_values(["target_sparsity", "arithmetic"])  # int8 is behind float32
    reasons = {dense: ["dense, float32"]}
    ninety = Variant(run.config.sparsity.methods[0], 0.9, arithmetic="int8").name
    if ninety in run.finished:
        reasons[ninety] = ["90 %, int8"]
    kept = [str(name) for name in table.loc[not_worse_in_order(table), "variant"]]
    if kept:
        smallest = min(kept, key=lambda name: len(packed.to_bytes(actor(run, name))))
        reasons.setdefault(smallest, []).append("the smallest file that is not worse")
        sparsest = str(order[not_worse_in_order(order)].iloc[-1]["variant"])
        reasons.setdefault(sparsest, []).append("the fewest weights that are not worse")
    last = order[order["seeds"] > 0].iloc[-1]
    if last["verdict"] == WORSE:
        reasons.setdefault(str(last["variant"]), []).append("the sparsest; its variant is worse")
    return reasons


def actor(run: Run, variant: str) -> PackedActor:
    """The policy of the variant's best seed, without what has no effect."""
    seed = choose_seed("best", variant, run.final_returns(variant), run.config.seed_numbers)
    found = run.packed(variant, seed)
    return dataclasses.replace(found, graph=compact(found.graph))


def card(run: Run, name: str, why: str, training: str, data: bytes, environment: VectorEnv) -> Card:
    """Plays the file and says what it is."""
    loaded = packed.from_bytes(data)
    about = loaded.provenance
    returns = play(Actor(loaded, "numpy"), environment, EPISODES, START).returns
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    half = float(stats.t.ppf(0.975, EPISODES - 1)) * spread / np.sqrt(EPISODES)
    if about.seed is None or about.measured_return is None:
        raise ValueError(f"{name}: has no seed or no return; needed are both")
    row: Any = run.summary().set_index("variant").loc[about.variant]
    return Card(
        file=name,
        why=why,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        environment=about.environment,
        variant=about.variant,
        seed=about.seed,
        config_digest=about.config_digest,
        seed_choice=CHOICE,
        sparsity=float(row["achieved_sparsity"]),
        verdict=str(row["verdict"]),
        mean=round(mean, 4),
        low=round(mean - half, 4),
        high=round(mean + half, 4),
        spread=round(spread, 4),
        episodes=EPISODES,
        recorded=round(about.measured_return, 4),
        training=training,
    )


def read(policies: Path) -> list[Card]:
    """The cards in a folder of policies."""
    return [Card(**values) for values in json.loads((policies / CARDS).read_text())]


def write(run: Run, results: Path) -> list[Card]:
    """Writes `results`/policies anew.

    Raises ValueError where `results` is of another experiment than the run.
    """
    kept: Any = from_mapping(read_settings(results))
    if kept.digest() != run.config.digest():
        raise ValueError(
            f"{results}: found the results of {kept.digest()}; allowed: of {run.config.digest()}, "
            f"which {run.path} is"
        )
    training = " && ".join(run.commands)
    environment = make(run.config.environment, evaluation=True)
    cards: list[Card] = []
    folder = results / "policies"
    with atomic_file.replacing_contents(folder) as part:
        for variant, why in chosen(run).items():
            data = packed.to_bytes(actor(run, variant))
            name = f"{'dense' if not cards else variant}.srl"
            (part / name).write_bytes(data)
            cards.append(card(run, name, "; ".join(why), training, data, environment))
        text = json.dumps([one._asdict() for one in cards], indent=1)
        atomic_file.write_text(part / CARDS, text + "\n")
    for file in folder.glob("*.srl"):  # of variants that an earlier run has had
        if file.name not in {one.file for one in cards}:
            file.unlink()
    return cards


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a finished run directory, with its policies")
    parser.add_argument("results", type=Path, help="the folder in results/ of the same experiment")
    words = parser.parse_args()
    for one in write(Run(words.run), words.results):
        print(
            f"{words.results / 'policies' / one.file}: {one.size:,} bytes, "
            f"{one.mean:.4g} ({one.low:.4g} to {one.high:.4g}), seed {one.seed}"
        )


if __name__ == "__main__":
    main()
