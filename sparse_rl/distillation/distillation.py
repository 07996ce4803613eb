"""The pass `distil`: all policies and levels of a family as one program.

First in float32: the original acts, then the students do, pruned along the cubic rise up to three
fifths of the updates and fine-tuned with the masks as they then are. For int8 they go on from there
for a fifth of the updates more, as in training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from sparse_rl.arithmetics import QUANTIZED
from sparse_rl.compression.options import DistillationOptions
from sparse_rl.compression.policies import JointPass, Policies, Told, quiet
from sparse_rl.distillation.school import School


@dataclass(frozen=True)
class Distillation(JointPass):
    """The pass with its options."""

    options: DistillationOptions

    @property
    def family(self) -> DistillationOptions:
        """What all levels and arithmetics share."""
        return dataclasses.replace(self.options, level=0.0, arithmetic="float32")

    def together(
        self, family: Sequence[Distillation], policies: Policies, told: Told = quiet
    ) -> list[Policies]:
        """The policies after each pass of the family, as one program for each arithmetic.

        Raises ValueError where no environment is known, or the policies differ in their networks.
        """
        levels = list(dict.fromkeys(one.options.level for one in family))
        school = School.of(policies, self.family, levels)
        size = f"sparsity {', '.join(f'{level:g}' for level in levels)}"
        trained, none = school.learn("float32", school.beginners(), told, f"distil: {size}")
        graphs = school.graphs(trained, none, "float32")
        found = {("float32", level): group for level, group in graphs}
        for arithmetic in QUANTIZED:
            wanted = [one.options.level for one in family if one.options.arithmetic == arithmetic]
            if wanted:
                label = f"distil: {size} in {arithmetic}"
                quantized, ranges = school.learn(arithmetic, trained, told, label)
                found |= {
                    (arithmetic, level): group
                    for level, group in school.graphs(quantized, ranges, arithmetic)
                }
        return [
            dataclasses.replace(policies, graphs=found[one.options.arithmetic, one.options.level])
            for one in family
        ]


def build(options: DistillationOptions) -> Distillation:
    """The pass with these options."""
    return Distillation(options)
