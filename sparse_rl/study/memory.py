"""How many bytes a study needs, from the shapes of its arrays, before any of them exists."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from sparse_rl.config.error import ConfigError
from sparse_rl.sparsity.adaptive import Adaptive
from sparse_rl.sparsity.method import keeps_dense_weights
from sparse_rl.study.phases import Phase
from sparse_rl.study.plan import plan
from sparse_rl.study.preparation import Study
from sparse_rl.units import in_bytes


class MemoryEstimate(NamedTuple):
    """Bytes of networks with their optimizers, of memories, of environments, of evaluations."""

    networks: int
    memory: int
    environments: int
    evaluation: int = 0

    @property
    def total(self) -> int:
        return sum(self)

    def times(self, count: int) -> MemoryEstimate:
        return MemoryEstimate(*(count * part for part in self))


def of_one_member(study: Study) -> MemoryEstimate:
    """What one member holds: the same in every phase, unless a method keeps more."""
    first = {phase.method: phase for phase in reversed(study.phases)}
    larger = [
        first[name]
        for name, method in study.methods.items()
        if name in first and (keeps_dense_weights(method) or isinstance(method, Adaptive))
    ]
    estimates = []
    for phase in (study.phases[0], *larger):
        every = [part.members for part in study.shapes(phase).parts]
        count = len(study.pad(phase.members))
        networks = _bytes([members.agent for members in every])
        memory = _bytes([members.memory for members in every])
        rest = _bytes(every) - networks - memory
        estimates.append(MemoryEstimate(networks // count, memory // count, rest // count))
    return max(estimates, key=lambda estimate: estimate.total)


def of_one_episode(study: Study) -> int:
    """Bytes of one episode of an evaluation, all of which are played side by side.

    The environment's state, twice because a step makes a new one, and what the policy sees.
    """
    environment = study.evaluation_environment
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 1))
    state, seen = jax.eval_shape(environment.reset, keys)
    return 2 * _bytes(state) + 2 * _bytes(seen) * max(environment.spec.frame_stack, 1)


def most_members(study: Study, phases: Sequence[Phase]) -> int:
    """The most members that are held at one time: at the start of the hungriest phase.

    There are then the phase's own, those that they are copied from, and the ends of earlier phases
    that later ones continue from.
    """
    return max(_held(study, phases, index, at_start=True) for index in range(len(phases)))


def _held(study: Study, phases: Sequence[Phase], index: int, *, at_start: bool) -> int:
    """Members that exist in a phase; at its start also those that its own are copied from."""
    phase = phases[index]
    later = {end for other in phases[index + 1 :] for end in other.needs}
    ends = {end for end in later if end < index}
    if at_start:
        # A phase with the same members as the one before goes on in place.
        ends |= {end for end in phase.needs if phases[end].members != phase.members}
    return sum(len(study.pad(phases[i].members)) for i in (index, *ends))


def needed(
    study: Study, phases: Sequence[Phase], one: MemoryEstimate, episode: int
) -> MemoryEstimate:
    """What is held at the hungriest moment: at a fork, or while a phase's members are evaluated.

    `one` is what a member takes and `episode` what an episode does.
    """
    moments = [one.times(most_members(study, phases))]
    settings = study.config.evaluation
    for index, phase in enumerate(phases):
        if phase.acts_at_random:
            continue
        is_last = phase.end >= study.config.training.steps
        episodes = max(settings.episodes, settings.final_episodes if is_last else 0)
        held = one.times(_held(study, phases, index, at_start=False))
        playing = len(study.pad(phase.members)) * episodes * episode
        moments.append(held._replace(evaluation=playing))
    return max(moments, key=lambda moment: moment.total)


def require(study: Study, say: Callable[[str], None]) -> None:
    """Says what the study needs, beside what its programs need while they compute.

    Raises `ConfigError`, naming the settings to change, where that is not there.
    """
    one, episode = of_one_member(study), of_one_episode(study)
    need = needed(study, study.phases, one, episode)
    say(in_words(study, need))
    local = sum(device in jax.local_devices() for device in study.mesh.devices.flat)
    there, count = available(study.mesh.local_devices), study.mesh.devices.size
    if there is not None and need.total * local // count > there:
        total = there * count // local
        raise ConfigError(
            f"{_largest(study, need)}: the study needs {in_bytes(need.total)} and "
            f"{in_bytes(total)} are available; allowed: less, "
            f"{_split_that_fits(study, one, episode, total)}"
        )


def in_words(study: Study, need: MemoryEstimate) -> str:
    """The parts, and their sum for each device and in all."""
    count = study.mesh.devices.size
    evaluation = f", evaluation {in_bytes(need.evaluation)}" if need.evaluation else ""
    return (
        f"memory: networks {in_bytes(need.networks)}, remembered steps {in_bytes(need.memory)}, "
        f"environments {in_bytes(need.environments)}{evaluation}; "
        f"{in_bytes(need.total / count)} on each of {count} device{'s' * (count > 1)}, "
        f"{in_bytes(need.total)} in all"
    )


def available(local: Sequence[jax.Device]) -> int | None:
    """Bytes that the devices of this process can take now; None where that is not known."""
    stats = [device.memory_stats() for device in local]
    if local[0].platform != "cpu":
        known = [s["bytes_limit"] - s["bytes_in_use"] for s in stats if s and "bytes_limit" in s]
        return sum(known) if len(known) == len(local) else None
    meminfo = Path("/proc/meminfo")
    limits = [_number(line.split()[1]) * 1024 for line in _lines(meminfo, "MemAvailable")]
    return min([*limits, *_container(Path("/sys/fs/cgroup"))], default=None)


def _container(cgroup: Path) -> list[int]:
    """Bytes below the container's limit, of cgroup v2 or v1; none where there is no limit.

    Files that the system keeps in memory while nobody needs it do not count as used.
    """
    first = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    second = ("memory.max", "memory.current", "inactive_file")
    kinds = ((cgroup, *second), (cgroup / "memory", *first))
    found = []
    for folder, limit, used, files in kinds:
        limits = [line for line in _lines(folder / limit) if line.strip().isdecimal()]
        taken = sum(_number(line) for line in _lines(folder / used))
        kept = sum(_number(line.split()[1]) for line in _lines(folder / "memory.stat", f"{files} "))
        found += [_number(line) - taken + kept for line in limits]
    return found


def _largest(study: Study, need: MemoryEstimate) -> str:
    """The setting behind the largest part."""
    settings = study.config.evaluation
    if need.evaluation > max(need.memory, need.networks):
        more = settings.final_episodes >= settings.episodes
        return "evaluation.final_episodes" if more else "evaluation.episodes"
    return study.config.agent.memory if need.memory >= need.networks else "network.hidden"


def _split_that_fits(study: Study, one: MemoryEstimate, episode: int, total: int) -> str:
    """How to get by with `total` bytes and the same results, if groups of arms are enough."""
    config = study.config
    for split in range(config.population.split + 1, len(config.sparsity.levels) + 1):
        groups = dataclasses.replace(config.population, split=split)
        phases = plan(dataclasses.replace(config, population=groups))
        if needed(study, phases, one, episode).total <= total:
            return f"or population.split {split} with the same results"
    return "or fewer seeds"


def _bytes(tree: Any) -> int:
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _lines(file: Path, start: str = "") -> list[str]:
    try:
        return [line for line in file.read_text().splitlines() if line.startswith(start)]
    except OSError:
        return []


def _number(text: str) -> int:
    return int(text.strip())
