"""What is to be compressed: the policies of a run, or files of policies trained elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from sparse_rl.architecture import (
    ArgMax,
    Clip,
    Output,
    Squash,
    check_bounds,
    check_fits,
)
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.packed import PackedActor, to_bytes
from sparse_rl.envs import VectorEnv, make
from sparse_rl.importers import Imported, OutputError, read_policy
from sparse_rl.runs.run import Run
from sparse_rl.spaces import Continuous, Discrete, EnvSpec

Actions = Literal["", "squash", "clip", "argmax"]


class Originals(NamedTuple):
    """Policies of one architecture, and the environment that they are played in.

    Attributes:
        names: what each is called: seed_3, or a file's name.
        seeds: by which random numbers are drawn.
        origin: where they come from, in words.
        digest: of all that was read; another one is another compression.
    """

    graphs: tuple[Graph, ...]
    names: tuple[str, ...]
    seeds: tuple[int, ...]
    environment: VectorEnv
    origin: str
    digest: str


def read(
    sources: Sequence[Path],
    normalizer: Path | None,
    environment: str,
    variant: str,
    actions: Actions = "",
) -> Originals:
    """The policies of one run directory, or of one or several files; see `imported_policy`.

    Raises ValueError, one line, where a source cannot be read, no environment is known, or the
    policies do not fit it.
    """
    if sources and sources[0].is_dir():
        if len(sources) > 1 or normalizer is not None:
            found = str(sources[1]) if len(sources) > 1 else "--normalizer"
            raise ValueError(f"{found}: beside a run; allowed: one run, or files of policies")
        return of_run(sources[0], environment, variant)
    return of_files(sources, normalizer, environment, actions)


def of_run(path: Path, environment: str, variant: str) -> Originals:
    """Every seed of one variant of a finished run whose final return is a number."""
    run = Run(path)
    world = make(environment or run.config.environment, evaluation=True)
    returns = run.final_returns(variant)
    seeds = tuple(seed for seed, value in sorted(returns.items()) if np.isfinite(value))
    if not seeds:
        raise ValueError(f"{path}: no seed of {variant} has a finite return; allowed: one or more")
    graphs = tuple(run.packed(variant, seed, world.spec).graph for seed in seeds)
    for graph in graphs:
        check_fits(graph, world.spec)
        check_bounds(graph, world.spec)
    names = tuple(f"seed_{seed}" for seed in seeds)
    origin = f"{path}, variant {variant}, {len(seeds)} seeds"
    return Originals(graphs, names, seeds, world, origin, _digest(graphs))


def of_files(
    sources: Sequence[Path], normalizer: Path | None, environment: str, actions: Actions
) -> Originals:
    """Policies in files, each a seed of its own."""
    for source in sources:
        if not source.is_file():
            what = "a folder beside files" if source.is_dir() else "no such file"
            raise ValueError(f"{source}: {what}; needed is a run directory or a policy")
    action = make(environment, evaluation=True).spec.action if environment else None
    imported = [imported_policy(source, normalizer, action, actions) for source in sources]
    name = environment or imported[0].environment
    if not name:
        raise ValueError(f"--env: not given, and {sources[0]} names none; needed is an environment")
    world = make(name, evaluation=True)
    graphs: list[Graph] = []
    files: dict[str, Path] = {}
    for source, one in zip(sources, imported, strict=True):
        content = _digest([one.graph])
        if content in files:  # it would count as a seed more, and narrow every interval
            raise ValueError(
                f"{source}: the policy of {files[content]} once more; allowed: each policy once"
            )
        files[content] = source
        _check(one.graph, world.spec, source, normalizer)
        # The file knows what its numbers are divided by, the environment how frames are stacked.
        seen = replace(one.graph.observation, frame_stack=world.spec.frame_stack)
        graphs.append(replace(one.graph, observation=seen))
    names = _names([source.stem for source in sources])
    origin = f"{', '.join(map(str, sources))}: {imported[0].origin}"
    found = tuple(graphs)
    return Originals(found, names, tuple(range(len(found))), world, origin, _digest(found))


def _names(stems: Sequence[str]) -> tuple[str, ...]:
    """Of each file its own name, by which its candidates are kept: those that share one are
    numbered behind it, and all of them before it where that would be the name of another.
    """
    names = [stem if stems.count(stem) == 1 else f"{stem}_{i}" for i, stem in enumerate(stems)]
    if len(set(names)) < len(names):
        names = [f"{i}_{stem}" for i, stem in enumerate(stems)]
    return tuple(names)


def imported_policy(
    source: Path, normalizer: Path | None, space: Continuous | Discrete | None, actions: Actions
) -> Imported:
    """The policy in a file; where it does not say how its outputs become actions, the space does.

    Raises ValueError, one line, where the file cannot be read, or says neither which of two ways is
    meant nor does `actions`.
    """
    if actions:
        outputs = _outputs(space)
        if actions not in outputs:
            allowed = ", ".join(outputs) or "one of an environment, so --env NAME first"
            raise ValueError(f"--actions: found {actions}; allowed: {allowed}")
        try:
            return read_policy(source, normalizer, outputs[actions])
        except OutputError as error:
            raise _in_words(error, source, actions) from None
    try:
        return read_policy(source, normalizer)
    except OutputError as error:
        refused = _in_words(error, source, "none")
    found = {}
    for name, output in _outputs(space).items():
        try:
            found[name] = read_policy(source, normalizer, output)
        except OutputError:
            continue
        except ValueError as error:
            refused = error  # the right way, with bounds that are not those of its actions
    if len(found) > 1:
        raise ValueError(
            f"{source}: its outputs are squashed or clipped, and it does not say which; needed is "
            f"--actions {' or '.join(found)}"
        )
    if not found:
        raise refused
    return next(iter(found.values()))


def _in_words(error: OutputError, source: Path, found: str) -> ValueError:
    """The same in the words of the command, which knows no outputs."""
    words = {Squash: "squash", Clip: "clip", ArgMax: "argmax"}
    allowed = " or ".join(words[kind] for kind in error.allowed)
    if not allowed:
        allowed = "nothing, as the file says itself how its outputs become actions"
    return ValueError(f"{source}: --actions: found {found}; allowed: {allowed}")


def _check(graph: Graph, spec: EnvSpec, source: Path, normalizer: Path | None) -> None:
    """Raises ValueError, one line that names the file, where its policy does not fit."""
    try:
        check_fits(graph, spec)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    try:
        check_bounds(graph, spec)
    except ValueError as error:
        squash, way = _outputs(spec.action)["squash"], ""
        with contextlib.suppress(ValueError):
            check_bounds(read_policy(source, normalizer, squash).graph, spec)
            way = ", to which --actions squash rescales"
        raise ValueError(f"{source}: {error}{way}") from None


def _outputs(space: Continuous | Discrete | None) -> dict[str, Output]:
    """How outputs may become actions of a space, by name."""
    if space is None:
        return {}
    if isinstance(space, Discrete):
        return {"argmax": ArgMax()}
    low, high = (tuple(map(float, bound)) for bound in (space.low, space.high))
    return {"squash": Squash(low, high), "clip": Clip(low, high)}


def _digest(graphs: Sequence[Graph]) -> str:
    """Of the policies' whole content."""
    digest = hashlib.sha256()
    for graph in graphs:
        digest.update(to_bytes(PackedActor(graph)))
    return digest.hexdigest()[:16]
