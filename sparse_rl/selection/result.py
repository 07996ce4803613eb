"""What is taken along: the chosen candidate in its formats, the film, the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import jax
from numpy.typing import NDArray

from sparse_rl import atomic_file
from sparse_rl.artifact.delivery import Delivery, Format, installed, write
from sparse_rl.artifact.packed import PackedActor
from sparse_rl.artifact.runtime import Actor
from sparse_rl.render import comparison
from sparse_rl.report.compression_page import Told, write_page
from sparse_rl.selection.compression import Compression, Judged
from sparse_rl.selection.table import ORIGINAL, unit_of

DELIVERED, FILM, REPORT, CARD = "delivered", "film.gif", "report", "card.json"


def deliver(
    compression: Compression,
    judged: Judged,
    seen: Mapping[str, NDArray],
    formats: Sequence[str],
) -> Iterator[str]:
    """Writes the chosen candidate, of several policies the best one; says what it has written.

    `card.json` beside it says what it is worth and how it was chosen. Where none was chosen the
    folder is left as it was.
    """
    if judged.chosen is None:
        yield "nothing is delivered: no candidate is shown to be not worse than the original"
        return
    policy = compression.best_policy(judged, judged.chosen)
    name = compression.names[policy]
    pack = compression.folder.actors(judged.chosen, [name])[0]
    own = judged.returns[judged.chosen][policy]
    pack = replace(pack, provenance=replace(pack.provenance, measured_return=float(own.mean())))
    delivery = Delivery(pack.graph, pack, pack if pack.unit is not None else None, seen[name])
    suffix = "" if pack.unit is None else "-integer"
    yield f"delivered: {judged.chosen}, the smallest that is not worse; {name}, the best of its own"
    with atomic_file.replacing_contents(compression.folder.path / DELIVERED) as part:
        for form in installed(formats):  # type: ignore[arg-type]
            chosen: Format = f"{form}{suffix}"  # type: ignore[assignment]
            one = write(delivery, chosen, part)
            place = compression.folder.path / DELIVERED / one.path.name
            yield f"  {one.format:<15} {one.size:>10,} bytes  {place}"
        atomic_file.write_text(part / CARD, card(compression, judged, name, pack))


def card(compression: Compression, judged: Judged, policy: str, pack: PackedActor) -> str:
    """What the delivered actor is and is worth, as JSON."""
    assert judged.chosen is not None
    row = judged.table.set_index("candidate").loc[judged.chosen]
    confirmed = judged.confirmed
    told = {
        "candidate": judged.chosen,
        "policy": policy,
        "chosen_as": "of several policies, the one with the highest return in the judged episodes",
        "environment": pack.provenance.environment,
        "origin": compression.originals.origin,
        "origin_digest": compression.originals.digest,
        "episodes": compression.episodes,
        "return_of_this_policy": pack.provenance.measured_return,
        "return": row["return"],
        "interval": [row["low"], row["high"]],
        "difference_from_original": row["difference"],
        "difference_interval": [row["difference_low"], row["difference_high"]],
        "intervals_over": unit_of(len(compression.names)),
        "margin": judged.margin,
        "verdict": row["verdict"],
        "with_fresh_starts": None
        if confirmed is None
        else {"difference": confirmed[0], "interval": list(confirmed[1:])},
        "sparse_rl": version("sparse_rl"),
        "jax": jax.__version__,
    }
    return json.dumps(told, indent=2) + "\n"


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
