"""What is taken along: the chosen candidate in its formats, the film, the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from numpy.typing import NDArray

from sparse_rl import atomic_file
from sparse_rl.artifact import card
from sparse_rl.artifact.card import Card, Interval, Mean
from sparse_rl.artifact.delivery import Delivery, refusal, write
from sparse_rl.artifact.formats import CProgram, Format
from sparse_rl.artifact.runtime import Actor
from sparse_rl.render import comparison
from sparse_rl.report.compression_page import Told, write_page
from sparse_rl.selection.compression import Compression, Judged
from sparse_rl.selection.table import ORIGINAL, unit_of
from sparse_rl.summary.final_table import NOT_WORSE

DELIVERED, FILM, REPORT = "delivered", "film.gif", "report"


def deliver(
    compression: Compression,
    judged: Judged,
    seen: Mapping[str, NDArray],
    formats: Sequence[Format],
    program_in_c: CProgram,
) -> Iterator[str]:
    """Writes the chosen candidate, of several policies the best one; says what it has written.

    `card.json` beside it says what it is worth and how it was chosen. Where none was chosen the
    folder is left as it was; a format that the chosen one's network cannot have is left out.
    """
    if judged.chosen is None:
        yield "nothing is delivered: no candidate was shown to be not worse than the original"
        return
    policy = compression.best_policy(judged, judged.chosen)
    name = compression.names[policy]
    pack = compression.folder.actors(judged.chosen, [name])[0]
    worth = card_of(compression, judged, policy, name)
    # By the other returns it was chosen.
    measured = worth.own if worth.fresh is None else worth.fresh
    pack = replace(pack, provenance=replace(pack.provenance, measured_return=measured.value))
    delivery = Delivery(pack.graph, pack, seen[name], worth)
    yield f"delivered: {judged.chosen}, the smallest that is not worse; {name}, the best of its own"
    if judged.confirmed is not None and judged.confirmed.iloc[0]["verdict"] != NOT_WORSE:
        yield "  not confirmed from fresh starts: look at the second table before you ship it"
    with atomic_file.replacing_contents(compression.folder.path / DELIVERED) as part:
        for form in formats:
            if problem := refusal(form, pack.graph):
                yield f"  {form:<15} left out: {problem}"
                continue
            one = write(delivery, form, part, program_in_c)
            place = compression.folder.path / DELIVERED / one.path.name
            yield f"  {one.format:<15} {one.size:>10,} bytes  {place}"
        files = [file for file in part.rglob("*") if file.is_file()]
        atomic_file.write_text(part / card.FILE, worth.to_json(files, part))


def card_of(compression: Compression, judged: Judged, policy: int, name: str) -> Card:
    """What the chosen candidate of one policy is worth."""
    assert judged.chosen is not None
    row: Mapping[Any, Any] = judged.table.set_index("candidate").loc[judged.chosen].to_dict()
    own, originals = judged.returns[judged.chosen][policy], compression.originals
    unit, count = unit_of(len(compression.names)), len(compression.names)
    alike = f"all {count} policies" if count > 1 else "this policy"
    return Card(
        environment=originals.environment.spec.name,
        variant=judged.chosen,
        policy=name,
        chosen=f"the best of {count} policies" if count > 1 else "the only policy",
        own=Mean.of(own),
        fresh=None if judged.fresh is None else Mean.of(judged.fresh[policy]),
        policies=f"{alike}, intervals over {unit}",
        alike=Interval(row["return"], row["low"], row["high"]),
        reference="the original",
        difference=Interval(row["difference"], row["difference_low"], row["difference_high"]),
        fresh_difference=_fresh(judged),
        margin=judged.margin,
        verdict=row["verdict"],
        made_by={
            "original": originals.origin,
            "digest": originals.digest,
            "sparse_rl": version("sparse_rl"),
            "jax": jax.__version__,
        },
    )


def _fresh(judged: Judged) -> Interval | None:
    """The difference with fresh starts in the world as it is."""
    if judged.confirmed is None:
        return None
    row = judged.confirmed.iloc[0]
    return Interval(row["difference"], row["difference_low"], row["difference_high"])


def show(compression: Compression, judged: Judged) -> Path:
    """Writes the page, with a film of the original beside the chosen one; returns its path."""
    spec = compression.originals.environment.spec
    told = Told(
        environment=spec.name,
        origin=compression.originals.origin,
        table=judged.table,
        over=unit_of(len(compression.names)),
        random=judged.random,
        margin=judged.margin,
        chosen=judged.chosen,
        confirmed=judged.confirmed,
        film=_film(compression, judged),
        provenance={
            "originals": f"{compression.originals.origin} ({compression.originals.digest})",
            "episodes": f"{compression.episodes} of each policy, all from the same starts",
            "acting at random": f"{judged.random:,.4g}",
            "sparse_rl": version("sparse_rl"),
            "JAX": jax.__version__,
        },
    )
    return write_page(told, compression.folder.path / REPORT)


def _film(compression: Compression, judged: Judged) -> Path | str:
    """The film's file, or why there is none."""
    file = compression.folder.path / FILM
    file.unlink(missing_ok=True)
    if judged.chosen is None:
        return "no candidate was chosen"
    name = compression.names[compression.best_policy(judged, judged.chosen)]
    actors = {
        candidate: Actor(compression.folder.actors(candidate, [name])[0], "numpy")
        for candidate in (ORIGINAL, judged.chosen)
    }
    try:
        comparison.beside(actors, compression.originals.environment.spec.name, file)
    except Exception as error:  # a package or a drawing that is not there, or whatever else
        return " ".join(str(error).split()) or type(error).__name__
    return file
