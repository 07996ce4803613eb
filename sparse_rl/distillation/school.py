"""Courses of learning, and what all policies and levels of a family share in them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Int

from sparse_rl.agents.masked_network import MaskedNetwork
from sparse_rl.agents.updates import adam
from sparse_rl.architecture import Network
from sparse_rl.artifact.binding import bind, unbind
from sparse_rl.artifact.graph import Graph
from sparse_rl.compression.options import DistillationOptions
from sparse_rl.compression.policies import Policies, Told
from sparse_rl.distillation.losses import loss_of
from sparse_rl.distillation.students import (
    Course,
    Given,
    Students,
    iterate,
    learning_rate,
)
from sparse_rl.dot_products import FLOAT32
from sparse_rl.envs import VectorEnv, make
from sparse_rl.networks import FlaxNetwork, arrays_of, variables_of
from sparse_rl.networks.layers import RANGES
from sparse_rl.playing.frames import first_seen
from sparse_rl.population.members import AXIS, by_member, mesh, padded
from sparse_rl.population.ranges import none_yet
from sparse_rl.quantization.aqt import dot_products
from sparse_rl.sparsity import masks as mask_rules
from sparse_rl.sparsity.distributions import named, pruned_counts

PRUNED_BY = 0.6
"""Share of the updates after which masks stay."""
QUANTIZED = 0.2
"""Updates in int8 as a share of those in float32, at `QUANTIZED_RATE` of their learning rate."""
QUANTIZED_RATE = 0.3
_FIRST_OBSERVATIONS = 2_000
"""Of each policy, in which its original acts alone, before anything is learned."""
CHUNK_SECONDS = 1.0
"""About how long one call of a course takes; between them progress is told and Ctrl-C is heard."""
_LEAST_CALLS = 20


class School(NamedTuple):
    """What all courses of one family share. Members are ordered by level, then by policy."""

    options: DistillationOptions
    levels: tuple[float, ...]
    policies: int
    network: Network
    teacher: Network
    params: mask_rules.Params
    given: Given
    seeds: Int[np.ndarray, " members"]
    environment: VectorEnv
    devices: Mesh

    @classmethod
    def of(
        cls, policies: Policies, options: DistillationOptions, levels: Sequence[float]
    ) -> School:
        if not policies.environment:
            raise ValueError("distil: no environment is known; allowed: --env NAME")
        network, arrays = _stacked(policies.graphs, "the policies")
        teacher, known = _stacked(policies.originals, "the originals")
        devices = mesh(jax.devices())
        members = [(level, index) for level in levels for index in range(len(policies.seeds))]
        missing = padded(len(members), devices) - len(members)
        members += members[:1] * missing
        index = np.array([policy for _, policy in members])
        variables = variables_of(network, {name: array[index] for name, array in arrays.items()})
        shapes = [layer.shape[1:] for layer in mask_rules.layers(variables["params"])]
        spread = named(options.distribution)
        dead = {level: pruned_counts(shapes, level, spread) for level in levels}
        given = Given(
            teacher=variables_of(teacher, {name: array[index] for name, array in known.items()}),
            statistics={name: part for name, part in variables.items() if name != "params"},
            target_counts=jnp.stack([jnp.asarray(dead[level]) for level, _ in members]),
        )
        return cls(
            options,
            tuple(levels),
            len(policies.seeds),
            network,
            teacher,
            variables["params"],
            given,
            np.array([policies.seeds[policy] for policy in index], np.int32),
            make(policies.environment, evaluation=True),
            devices,
        )

    def beginners(self) -> MaskedNetwork:
        """The policies as they were given; weights that are zero are dead and stay so."""
        masks = jax.tree.map(
            lambda mask, leaf: None if mask is None else leaf != 0,
            mask_rules.dense(self.params),
            self.params,
            is_leaf=lambda leaf: leaf is None,
        )
        return MaskedNetwork(self.params, masks, optimizer=())

    def course(self, arithmetic: str) -> Course:
        options, plain = self.options, arithmetic == "float32"
        updates = options.updates if plain else max(1, round(QUANTIZED * options.updates))
        rate = options.learning_rate * (1.0 if plain else QUANTIZED_RATE)
        prefill = -(-_FIRST_OBSERVATIONS // options.environments)
        iterations = prefill + -(-updates // options.updates_per_step)
        assert self.network.output is not None
        prunes = plain and any(self.levels)
        return Course(
            teacher=FlaxNetwork(self.teacher, FLOAT32),
            student=FlaxNetwork(self.network, dot_products(arithmetic)),
            head=self.network.heads[0].name,
            teacher_head=self.teacher.heads[0].name,
            loss=loss_of(self.network.output),
            optimizer=adam(learning_rate(rate, updates), 1e-8, 0.0),
            environment=self.environment,
            prune=mask_rules.pruning_of(options.distribution),
            environments=options.environments,
            capacity=min(options.capacity, options.environments * iterations),
            batch_size=options.batch_size,
            updates=options.updates_per_step,
            iterations=iterations,
            prefill=prefill,
            pruned_by=prefill + round(PRUNED_BY * (iterations - prefill)) if prunes else 0,
        )

    def learn(
        self, arithmetic: str, beginners: MaskedNetwork, told: Told, label: str
    ) -> tuple[MaskedNetwork, Any]:
        """One whole course of all students; with their ranges, where scales are fixed."""
        course = self.course(arithmetic)
        spec = self.environment.spec
        fixed = course.student.dots.fixed is not None
        ranges = {RANGES: none_yet(course.student)} if fixed else {}

        def begin(given: Given, network: MaskedNetwork, seeds: Any) -> Students:
            keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed), 2))(seeds)
            starts = jax.vmap(lambda key: jax.random.split(key, course.environments))(keys[:, 0])
            world, first = self.environment.reset(starts.reshape(-1))
            seen = by_member(first_seen(first, spec.frame_stack), course.environments)
            count, shape = seeds.shape[0], seen.shape[2:]
            outputs = self.network.heads[0].features
            started = jax.vmap(course.optimizer.init)(network.params)
            return Students(
                network=network._replace(optimizer=started),
                ranges=jax.tree.map(lambda leaf: jnp.zeros((count, *leaf.shape)), ranges),
                world=by_member(world, course.environments),
                seen=seen,
                kept=jnp.zeros((count, course.capacity, *shape), seen.dtype),
                wanted=jnp.zeros((count, course.capacity, outputs)),
                key=keys[:, 1],
            )

        def local(given: Given, students: Students, start: Any, stop: Any) -> Students:
            return jax.lax.fori_loop(
                start, stop, lambda clock, now: iterate(course, given, now, clock), students
            )

        members = P(AXIS)
        over: dict[str, Any] = {"mesh": self.devices, "out_specs": members, "check_vma": False}
        first = jax.jit(jax.shard_map(begin, in_specs=(members,) * 3, **over))
        chunk = jax.jit(
            jax.shard_map(local, in_specs=(members, members, P(), P()), **over), donate_argnums=1
        )
        students = first(self.given, beginners, self.seeds)
        told(label, 0.0)
        done, count = 0, 1
        while done < course.iterations:
            stop = min(done + count, course.iterations)
            began = time.perf_counter()
            students = jax.block_until_ready(
                chunk(self.given, students, np.int32(done), np.int32(stop))
            )
            count = next_count(stop - done, time.perf_counter() - began, course.iterations)
            done = stop
            told(label, done / course.iterations)
        learned: tuple[MaskedNetwork, Any] = jax.device_get((students.network, students.ranges))
        return learned

    def graphs(
        self, network: MaskedNetwork, ranges: Any, arithmetic: str
    ) -> list[tuple[float, tuple[Graph, ...]]]:
        """The policies that have learned, for each level."""
        arrays = {
            name: np.asarray(array)
            for name, array in arrays_of(
                {"params": network.params, **ranges, **self.given.statistics}
            ).items()
        }
        found = []
        for place, level in enumerate(self.levels):
            own = range(place * self.policies, (place + 1) * self.policies)
            graphs = tuple(
                bind(self.network, {name: array[i] for name, array in arrays.items()}, arithmetic)  # type: ignore[arg-type]
                for i in own
            )
            found.append((level, graphs))
        return found


def next_count(count: int, seconds: float, iterations: int) -> int:
    """Iterations of the next call, after one of `count` that took `seconds`.

    As many as take `CHUNK_SECONDS`, but at most four times as many as before, because the first
    ones only look, and a twentieth of all.
    """
    in_time = count * min(4.0, CHUNK_SECONDS / max(seconds, 1e-9))
    return max(1, min(int(in_time), iterations // _LEAST_CALLS))


def _stacked(graphs: Sequence[Graph], what: str) -> tuple[Network, dict[str, np.ndarray]]:
    """One network, and the arrays of all policies along a first axis.

    Raises ValueError where their networks differ.
    """
    unbound = [unbind(graph) for graph in graphs]
    network = unbound[0][0]
    for other, _ in unbound[1:]:
        if other != network:
            raise ValueError(f"distil: {what} have different networks; allowed: one, of all seeds")
    return network, {
        name: np.stack([arrays[name] for _, arrays in unbound]) for name in unbound[0][1]
    }
