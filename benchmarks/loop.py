"""The parts of a run, one by one: what a step, a mask update, an evaluation, a checkpoint cost.

    python -m benchmarks.loop [CONFIG] [--members 10] [--json results/benchmarks/loop.json]

The programs and settings are those of training in CONFIG (by default the demo, sac_pendulum), with
`--members` seeds. A step is one environment step of every member. "acting" is the policy with its
noise, the environment and the row of replay; "training" has the updates too, in the rhythm of the
configuration. A mask update is charged to the steps between two of them in the row below it.
"share" compares with a step of training; for evaluations and checkpoints it is their time as a
share of the training between two of them (for checkpoints: `--minutes-between`).
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import harness

Seconds = harness.Timing


class Settings(NamedTuple):
    """How long and how often something is timed."""

    repeats: int
    seconds: float
    minutes_between: float


def main() -> None:
    parser = harness.argument_parser(__doc__)
    parser.add_argument("config", nargs="?", default="sac_pendulum")
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--devices", type=int, default=0, help="0: one per core")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one timing, about")
    parser.add_argument("--minutes-between", type=float, default=10.0, help="two checkpoints")
    parser.set_defaults(repeats=7)
    options = parser.parse_args()

    from sparse_rl.config.reading import load_config
    from sparse_rl.runtime.devices import configure

    configure(options.devices)
    config = load_config(options.config, seeds=options.members, devices=options.devices)
    settings = Settings(options.repeats, options.seconds, options.minutes_between)
    rows = measure_all(config, settings)
    title = f"Parts of a run: {options.config}, {options.members} members"
    harness.report(title, rows, options.json)


def measure_all(config: Any, settings: Settings) -> list[dict[str, Any]]:
    """A row for each part."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from benchmarks.chunks import compile_chunk, time_chunk
    from sparse_rl.population import chunks, forks
    from sparse_rl.study import episodes
    from sparse_rl.study.preparation import prepare

    prepared = prepare(config)
    mesh, phases = prepared.mesh, {phase.name: phase for phase in prepared.phases}
    dense, prune = phases["dense"], phases["prune"]
    program = prepared.program(dense)
    agent = program.agent
    rows: list[dict[str, Any]] = []

    def steps(part: str, chunk: Any, state: Any, per_iteration: int) -> Any:
        # One program for each size of cohort.
        compiled = {len(one.members.failed): compile_chunk(chunk, one) for one in state.parts}
        programs = [compiled[size][0] for size in state.sizes]
        taken = sum(seconds for _, seconds in compiled.values())
        timing, state = time_chunk(
            lambda state, count: state.advanced(programs, count),
            taken,
            state,
            settings.seconds,
            settings.repeats,
        )
        rows.append(row(part, "step", timing, per_iteration, config.seeds))
        return state

    collect = chunks.collect_chunk(program, mesh)
    state = steps("random actions", collect, prepared.fresh(dense), 1)
    # As many random steps as training begins with, so that a batch can be drawn.
    first = np.int32(config.training.learning_starts // agent.environments)
    state = state.each(lambda part: collect(part, first))
    state = steps("acting", chunks.act_chunk(program, mesh), state, 1)
    state = steps("training", chunks.train_chunk(program, mesh), state, agent.steps)
    step = rows[-1]["ms"]

    count = len(prepared.pad(dense.members))
    (whole,) = forks.fork(state, np.arange(count), (count,), mesh).parts
    masks = harness.measure(*mask_update(prepared, prune, whole), repeats=settings.repeats)
    rows.append(row("mask update", "update", masks, 1, config.seeds))
    shared = row("mask update", "step between", masks, config.sparsity.interval, config.seeds)
    rows.append(shared | {"compile s": float("nan")})

    params, keys = episodes.inputs(agent, state)
    for part, count in (
        ("evaluation", config.evaluation.episodes),
        ("final evaluation", config.evaluation.final_episodes),
    ):
        evaluator = episodes.evaluator(agent, prepared.evaluation_environment, mesh, count)
        timing = harness.measure(evaluator, params, keys, jnp.int32(0), repeats=settings.repeats)
        rows.append(row(part, f"{count} episodes", timing, 1, config.seeds))

    rows += checkpoint_rows(prepared, dense, state, min(settings.repeats, 5))
    jax.block_until_ready(state)
    between = {
        "evaluation": step * config.evaluation.every,
        "final evaluation": step * config.training.steps,
        "checkpoint, writing": settings.minutes_between * 60e3,
        "checkpoint, reading": settings.minutes_between * 60e3,
    }
    for each in rows:
        each["share"] = each["ms"] / between.get(each["part"], step)
    order = ("part", "per", "share", "ms", "fastest", "slowest", "processor ms")
    return [{key: each[key] for key in (*order, *each)} for each in rows]


def row(part: str, per: str, timing: Seconds, share: int, members: int) -> dict[str, Any]:
    """One row in milliseconds, of a timing that `share` of them have part in."""
    scale = 1e3 / share
    return {
        "part": part,
        "per": per,
        "ms": timing.median * scale,
        "fastest": timing.fastest * scale,
        "slowest": timing.slowest * scale,
        "processor ms": timing.processor * scale,
        "members/s": members / (timing.median * scale / 1e3),
        "compile s": timing.compile,
        "MB": float("nan"),
    }


def mask_update(prepared: Any, prune: Any, state: Any) -> tuple[Any, ...]:
    """New masks of all members in the middle of pruning; a function and its arguments.

    Every member goes to the highest of the levels: those of a dense network would find nothing.
    """
    import jax
    import jax.numpy as jnp

    from sparse_rl.population.masking import updated_masks

    program = prepared.program(prune)
    highest = max(prune.members, key=lambda member: member.variant.sparsity)
    counts = prepared.target_counts([highest] * state.members.failed.shape[0])
    middle = jnp.int32((prune.begin + prune.end) // 2)

    def update(agent: Any, counts: Any, key: Any, clock: Any) -> Any:
        # Any numbers will do as gradients, for a method that looks at them.
        gradients = {name: getattr(agent, name).params for name in program.agent.prunable}
        return updated_masks(program.agent, program.method, agent, gradients, counts, key, clock)

    every = jax.jit(jax.vmap(update, (0, 0, 0, None)))
    return every, state.members.agent, counts, state.members.learn_key, middle


def checkpoint_rows(prepared: Any, phase: Any, state: Any, repeats: int) -> list[dict[str, Any]]:
    """Seconds to write a checkpoint and to read it back, and its bytes."""
    import jax

    from sparse_rl.checkpoints.checkpoint import Checkpoints
    from sparse_rl.checkpoints.manifest import Position

    config, shapes = prepared.config, prepared.shapes(phase)
    members, position = len(phase.members), Position(0, int(state.clock), 0)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder) / "of", config.checkpoint, "benchmark", [members])
        saved: list[Any] = []
        write = timed(lambda: saved.append(checkpoints.save(position, state, {})), repeats)
        newest = checkpoints.newest_first()[0]
        read = timed(
            lambda: jax.block_until_ready(
                checkpoints.load(newest, shapes, members, prepared.mesh)[0]
            ),
            repeats,
        )
    size = {"MB": saved[0].bytes / 1e6}
    return [
        row("checkpoint, writing", "checkpoint", write, 1, members) | size,
        row("checkpoint, reading", "checkpoint", read, 1, members) | size,
    ]


def timed(call: Callable[[], object], repeats: int) -> Seconds:
    """As `harness.measure`, of plain Python."""
    taken: list[float] = []
    before = time.process_time()
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    processor = (time.process_time() - before) / repeats
    return _timing(taken, processor)


def _timing(taken: Sequence[float], processor: float) -> Seconds:
    return Seconds(
        float("nan"),
        taken[0],
        statistics.median(taken),
        min(taken),
        max(taken),
        processor,
        len(taken),
        1,
    )


if __name__ == "__main__":
    main()
