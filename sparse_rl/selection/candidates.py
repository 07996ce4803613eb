"""Which ways of compressing are tried, and the policies that each of them makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sparse_rl.arithmetics import ARITHMETICS, QUANTIZED
from sparse_rl.compression.policies import JointPass, Policies, Told
from sparse_rl.compression.steps import Chain, Common, Step, name_of, parse_chain
from sparse_rl.registry import PASSES

POST_TRAINING = (*QUANTIZED, "int8_static", "int4w")
"""Arithmetics that a pass of the same name makes without training."""
OFFERED = ("float32", *POST_TRAINING)
"""Arithmetics that a grid may ask for; distillation trains in those of `arithmetics` only."""
DISTILLATION, NARROW = "distil", "narrow"
"""Sparse policies that learn from the original; and narrow ones, `units` and then `distil`."""


def grid(
    methods: Sequence[str],
    levels: Sequence[float],
    arithmetics: Sequence[str],
    common: Common,
) -> list[Chain]:
    """Every method at every level in every arithmetic, and the original in each but float32.

    Raises ValueError, one line, for unknown names.
    """
    for arithmetic in arithmetics:
        if arithmetic not in OFFERED:
            raise ValueError(f"--arithmetic: found {arithmetic}; allowed: {', '.join(OFFERED)}")
    for method in methods:
        if method != NARROW and method not in PASSES:
            known = ", ".join((NARROW, *PASSES.names()))
            raise ValueError(f"--methods: found {method}; allowed: {known}")
    chains = [parse_chain(name) for name in arithmetics if name != "float32"]
    for method in methods:
        for level in levels:
            for arithmetic in arithmetics:
                text = f"{method}:{level:g}"
                if method == NARROW:
                    text = f"units:{level:g}+{DISTILLATION}"
                if method in (DISTILLATION, NARROW) and arithmetic in ARITHMETICS:
                    text += "" if arithmetic == "float32" else f":arithmetic={arithmetic}"
                elif arithmetic != "float32":
                    text += f"+{arithmetic}"
                chains.append(parse_chain(text, common))
    return chains


def named(chains: Sequence[Chain]) -> dict[str, Chain]:
    """The chains by their names, each once.

    Raises ValueError, one line, where two that are not the same have one name.
    """
    found: dict[str, Chain] = {}
    for chain in chains:
        name = name_of(chain)
        if found.setdefault(name, chain) != chain:
            raise ValueError(
                f"{name}: found two candidates of this name; allowed: levels and options that "
                f"differ within six digits"
            )
    return found


def made(
    chains: Mapping[str, Chain], policies: Policies, told: Told
) -> Iterator[tuple[str, Policies]]:
    """Every candidate's name with its policies, as soon as it is made.

    What chains begin with alike is done once, and passes of one family together. Raises
    ValueError, one line that names the candidate, where a pass cannot be done.
    """
    ended = [name for name, chain in chains.items() if not chain]
    for name in ended:
        yield name, policies
    rest = {name: chain for name, chain in chains.items() if chain}
    while rest:
        first = next(iter(rest.values()))[0]
        family = _family(first, rest)
        try:
            after = _after(family, policies, told)
        except ValueError as error:
            raise ValueError(f"{next(iter(rest))}: {error}") from None
        for step, result in zip(family, after, strict=True):
            own = {name: chain[1:] for name, chain in rest.items() if chain[0] == step}
            yield from made(own, result, told)
        rest = {name: chain for name, chain in rest.items() if chain[0] not in family}


def _family(first: Step, chains: Mapping[str, Chain]) -> list[Step]:
    """The first steps that are made together with `first`, itself among them."""
    one = first.build()
    if not isinstance(one, JointPass):
        return [first]
    family = one.family

    def belongs(step: Step) -> bool:
        other = step.build() if step.name == first.name else None
        return isinstance(other, JointPass) and other.family == family

    return [step for step in dict.fromkeys(chain[0] for chain in chains.values()) if belongs(step)]


def _after(family: Sequence[Step], policies: Policies, told: Told) -> list[Policies]:
    first = family[0].build()
    if not isinstance(first, JointPass):
        return [first(policies)]
    passes: list[Any] = [step.build() for step in family]
    return first.together(passes, policies, told)
