"""docs/zoo.md: the cards of all policies in results/*/policies."""

from __future__ import annotations

from benchmarks import zoo
from benchmarks.results_page import console_block
from benchmarks.studies import Study
from benchmarks.zoo import Card

INTRODUCTION = """\
# Model zoo

Made by `python -m benchmarks.overview` from `results/*/policies/cards.json`: do not edit.

Small trained policies, packed, in the repository: play, film, translate or measure them without
training. They need the file and nothing else.

```python
import sparse_rl

actor = sparse_rl.load_actor("results/pendulum/policies/0.98-integer.srl")
print(actor([1.0, 0.0, 0.0]))             # upright, at rest: the torque
print(actor.provenance)                   # environment, variant, seed, digest, return as recorded
```

```console
python -m sparse_rl.evaluate results/pendulum/policies/0.98-integer.srl --episodes 20
python -m sparse_rl.render results/pendulum/policies/dense.srl \\
    results/pendulum/policies/0.98-integer.srl --out both.gif
```

- **Which ones.** Of each study the dense policy, the one at 90 % in int8, of all variants that
  are *not worse* than dense the smallest file and the fewest weights, and, to see what too much
  looks like, the sparsest where it is worse. A verdict is of all seeds of a variant, not of the
  one file. That float32 may give the smaller file is no mistake: more units can be removed
  without changing an action where [no activation scale](artifact.md#lossless-compaction) depends
  on them.
- **Which seed.** The one with the highest return in its run's last evaluation: it was the best by
  luck, too. The return in the table is therefore of 200 new episodes, played by the file itself,
  with a 95 % Student interval over episodes. It says how good this file is, not how good the next
  training will be; for that see the [results](results.md).
- **What is checked.** A test compares each file's SHA-256 and the configuration's digest with its
  card, and plays it against its card.
- **Where they are.** In a checkout, or downloaded one by one; a wheel does not carry them, since
  what you deliver is your own policy. `load_actor` takes any path.
- **How they were made.** By the command under each heading, then `python -m benchmarks.zoo RUN
  results/NAME`.
"""

HEAD = """\
| file | why it is here | bytes | sparsity | verdict | return, 95 % | seed |
|:---|:---|---:|---:|:---|---:|---:|"""


def page(studies: list[Study]) -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for study in studies:
        folder = study.run.path / "policies"
        if (folder / zoo.CARDS).is_file():
            parts += [f"## {study.run.path.name}", "", *_cards(study, zoo.read(folder))]
    return "\n".join(parts)


def _cards(study: Study, cards: list[Card]) -> list[str]:
    first = cards[0]
    place = f"results/{study.run.path.name}/policies"
    return [
        f"`{first.environment}`, configuration `{first.config_digest}`; files in `{place}/`, "
        "trained by",
        "",
        console_block(study.commands),
        HEAD,
        *(_row(card) for card in cards),
        "",
    ]


def _row(card: Card) -> str:
    return (
        f"| `{card.file}` | {card.why} | {card.size:,} | {100 * card.sparsity:.1f} % | "
        f"{card.verdict or '(dense)'} | {_number(card.mean)} ({_number(card.low)} .. "
        f"{_number(card.high)}) | {card.seed} |"
    )


def _number(value: float) -> str:
    return f"{value:,.1f}"
