"""Levels of sparsity that a network is too small for."""

from __future__ import annotations

import math

from sparse_rl.study.preparation import Study


def too_sparse(study: Study) -> list[str]:
    """One line for each network with levels that leave the same weights, or miss what they say.

    A layer keeps at least one weight, and whole weights only, so that of a small network 99.99 %
    and 99.9999 % may be the same; "misses" means that twice as many weights are left as asked for.
    """
    lines = []
    variants = {member.variant: member for phase in study.phases for member in phase.members}
    for network, layers in study.layers.items():
        key = "sparsity.levels" if network == "policy" else "sparsity.critic_levels"
        size = sum(math.prod(layer.shape) for layer in layers)
        level = {member: variant.level_of(network) for variant, member in variants.items()}
        counts = study.target_counts(tuple(level))[network]
        left = {one: size - int(row.sum()) for one, row in zip(level.values(), counts, strict=True)}
        by_left: dict[int, list[float]] = {}
        for one in sorted(left):
            by_left.setdefault(left[one], []).append(one)
        for weights, levels in by_left.items():
            asked = size * (1 - max(levels))
            if len(levels) > 1 or weights > 2 * asked:
                same = f"{' and '.join(f'{one:g}' for one in levels)}"
                word = "leave" if len(levels) > 1 else "leaves"
                lines.append(
                    f"{key}: {same} {word} {weights:,} of the "
                    f"{network}'s {size:,} weights, which is {100 * (1 - weights / size):.4g} %"
                    + (": the same network" if len(levels) > 1 else "")
                )
    return lines
