"""What a study does, in order: phases of one compiled program each, and who takes part in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from sparse_rl import registry
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config
from sparse_rl.runs.variant import DENSE, Variant
from sparse_rl.sparsity.adaptive import Adaptive
from sparse_rl.sparsity.method import Heir, Method
from sparse_rl.study.phases import Member, Phase


def start_in_words(config: Config) -> list[str]:
    """A line that says whose dense members go on here; none where members are new."""
    start = config.start
    return [f"continues from the dense members of {start.run}, step {start.step:,}"] * bool(
        start.run
    )


def methods(config: Config) -> dict[str, Method]:
    """The study's sparsity methods, by name.

    Raises ValueError for one that is not registered, and `ConfigError` for one that cannot go on
    with dense members.
    """
    made = {
        name: registry.METHODS.implementation(name)(config.sparsity.options_of(name), config)
        for name in config.sparsity.methods
    }
    for name, method in made.items():
        if method.begin < config.start.step:
            raise ConfigError(
                f"sparsity.methods: found {name}, which is sparse from step {method.begin} on; "
                f"allowed with the dense members of {config.start.run}: methods that begin with "
                f"dense networks"
            )
    return made


def variants(config: Config, made: Mapping[str, Method]) -> dict[str, list[Variant]]:
    """Each method's variants in float32: every level of the policy with every one of the critics.

    The dense network is the same for all methods. It goes with the method that begins last, so that
    it continues from the dense training that all share and takes no step twice; not with one that
    starts from another's masks.
    """
    free = {name: method for name, method in made.items() if not isinstance(method, Heir)} or made
    last = max(free, key=lambda name: (free[name].begin, not isinstance(free[name], Adaptive)))
    found = {
        name: [
            Variant(method=name, sparsity=float(level), critic_sparsity=float(critics))
            for level in config.sparsity.levels
            for critics in config.sparsity.critic_levels
        ]
        for name in made
    }
    return {
        name: [
            DENSE if variant.is_dense else variant
            for variant in every
            if name == last or not variant.is_dense
        ]
        for name, every in found.items()
    }


class _Plan:
    """Phases in the making; those without steps are left out."""

    def __init__(self, config: Config) -> None:
        self.seeds = config.seed_numbers
        self.phases: list[Phase] = []
        self.trained: dict[str, list[tuple[list[Variant], int]]] = {}
        """For each method its groups of variants, and the phase that each ends with in float32."""

    def start(self, step: int) -> int:
        """The phase without steps that others continue from: the dense members of another run."""
        self.phases.append(Phase("dense", step, step, self.members([DENSE])))
        return len(self.phases) - 1

    def prefill(self, end: int) -> int | None:
        """Random steps of dense members up to `end`, which all methods share."""
        return self.add(Phase("prefill", 0, end, self.members([DENSE])))

    def members(self, variants: Sequence[Variant]) -> tuple[Member, ...]:
        return tuple(Member(seed, variant) for variant in variants for seed in self.seeds)

    def add(self, phase: Phase) -> int | None:
        """The index of the phase, or of the one before it where it has no steps."""
        if phase.end == phase.begin:
            return phase.after
        self.phases.append(phase)
        return len(self.phases) - 1


def plan(config: Config) -> list[Phase]:
    """Dense training once per seed, then all levels of each method, then these once per int8 mode.

    A method's members leave the dense training, which all share, where the method begins; a method
    that begins at step 0 trains its members from the start. Variants may be split into groups, one
    after the other. Every quantization phase continues from the end of its group's fine-tuning.
    Methods that start with another's masks come after it, in its groups. Where nothing is pruned,
    dense training goes on to the end.
    """
    made = methods(config)
    plan = _Plan(config)
    if not config.sparsity.prunes:
        _train_dense(config, plan)
        return plan.phases
    starts = _shared(config, plan, made)
    split = min(config.population.split, len(config.sparsity.levels))
    heirs = {name: method.masks_of for name, method in made.items() if isinstance(method, Heir)}
    for name, all_variants in variants(config, made).items():
        if DENSE in all_variants and isinstance(made[name], Adaptive):
            # Apart from all methods: a network that may lose nothing needs no rivals.
            _train(config, plan, "", made[name], [DENSE])
            all_variants = [variant for variant in all_variants if variant != DENSE]
        for chosen in np.array_split(np.arange(len(all_variants)), split):
            group = [all_variants[index] for index in chosen]
            if group and name not in heirs:
                _train(config, plan, name, made[name], group, starts[name])
    for name, source in heirs.items():
        for found, masks_from in plan.trained.get(source, []):
            group = [dataclasses.replace(v, method=name) for v in found if not v.is_dense]
            if group:
                _train(config, plan, name, made[name], group, masks_from=masks_from)
    return plan.phases


def _beginning(config: Config, plan: _Plan) -> int | None:
    """What comes before dense members learn here: another run, or random steps, if any."""
    first = config.first_step
    return plan.start(first) if config.start.step else plan.prefill(first)


def _shared(config: Config, plan: _Plan, made: Mapping[str, Method]) -> dict[str, int | None]:
    """Dense training up to the last method's begin; the phase that each continues from, if any."""
    shared = plan.members([DENSE])
    first = config.first_step
    begins = sorted({m.begin for m in made.values() if m.begin >= first})
    starts: dict[str, int | None] = dict.fromkeys(made)
    if not begins:
        return starts
    last = _beginning(config, plan)
    now = first
    for begin in begins:
        last = plan.add(Phase("dense", now, begin, shared, last))
        now = begin
        starts |= {name: last for name, method in made.items() if method.begin == begin}
    return starts


def _train_dense(config: Config, plan: _Plan) -> None:
    """The phases of a study of nothing but the dense network: no method has a part in it."""
    first, end, group = config.first_step, config.training.steps, [DENSE]
    start = _beginning(config, plan)
    trained = plan.add(Phase("dense", first, end, plan.members(group), start))
    assert trained is not None  # training has steps
    _quantize(config, plan, group, trained)


def _train(
    config: Config,
    plan: _Plan,
    name: str,
    method: Method,
    group: list[Variant],
    start: int | None = None,
    masks_from: int | None = None,
) -> None:
    """The phases of one group of a method's variants, from `start`, or from the first step."""
    members, begin = plan.members(group), method.begin
    if start is None:
        begin = config.prefill_steps
        start = plan.add(Phase("prefill", 0, begin, members, None, name, masks_from))
    # The first phase that has steps is the one that fresh members begin.
    given = masks_from if start is None else None
    pruned = plan.add(Phase("prune", begin, method.end, members, start, name, given))
    steps, given = config.training.steps, masks_from if pruned is None else None
    tuned = plan.add(Phase("finetune", method.end, steps, members, pruned, name, given))
    assert tuned is not None  # training has steps
    plan.trained.setdefault(name, []).append((group, tuned))
    _quantize(config, plan, group, tuned, name)


def _quantize(
    config: Config, plan: _Plan, group: Sequence[Variant], tuned: int, method: str = ""
) -> None:
    """A phase in each int8 arithmetic, all of which continue from the phase `tuned`."""
    begin, end = config.training.steps, config.quantize_end
    for mode in config.quantization.modes:
        quantized = plan.members([variant.quantized(mode) for variant in group])
        plan.add(Phase("quantize", begin, end, quantized, tuned, method))
