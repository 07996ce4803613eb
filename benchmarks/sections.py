"""What stands on the page of results, in which order, and by which command each table is made."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Content = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
"""By title; without one where there is one table only."""


def own_tables(content: Content) -> Tables:
    """The rows as the benchmark has written them; several tables where it has several."""
    if "rows" in content:
        return {"": content["rows"]}
    return {table["title"]: table["rows"] for table in content.get("tables", ())}


def no_notes(content: Content) -> Iterable[str]:
    """Nothing under the table."""
    return ()


class Section(NamedTuple):
    """One part of the page. `file` is relative to results/."""

    title: str
    file: str
    command: str
    text: str = ""
    tables: Callable[[Content], Tables] = own_tables
    notes: Callable[[Content], Iterable[str]] = no_notes


def _without_versions(content: Content) -> Tables:
    """The peers' table; their versions come as notes, and so does what failed."""
    return {"": [{k: v for k, v in row.items() if k != "versions"} for row in content["rows"]]}


def _versions(content: Content) -> Iterable[str]:
    yield "\n".join(f"- {row['library']}: {row['versions']}." for row in content["rows"])


def _beside_first(column: str, name: str) -> Callable[[Content], Tables]:
    """With a column more: how many times the first row's `column` each row's is."""

    def tables(content: Content) -> Tables:
        rows = content["rows"]
        return {"": [{**row, name: row[column] / rows[0][column]} for row in rows]}

    return tables


def _not_run(content: Content) -> Iterable[str]:
    """Who is missing, and why."""
    for runtime, why in content["not_run"].items():
        yield f"{runtime} was not run: {why}."


def _environments(content: Content) -> Tables:
    def row(found: Row) -> Row:
        ours, library = found["steps_per_s"], found["library_steps_per_s"]
        return {
            "environment": found["environment"],
            "environments at once": found["batch"],
            "times its own library's": ours / library if library else "",
            "steps/s": ours,
            "slowest": found["slowest"],
            "fastest": found["fastest"],
            "library's steps/s": library,
            "processor us per step": found["processor_us_per_step"],
            "compile s": found["compile_s"],
        }

    return {"": [row(found) for found in content["rows"]]}


def _inside_training(content: Content) -> Tables:
    def row(found: Row) -> Row:
        return {
            "environment": found["environment"],
            "members": found["members"],
            "units": found["units"],
            "environment's share of the time": found["wall_ms_alone"] / found["wall_ms_training"],
            "difference against alone": found["wall_ms_difference"] / found["wall_ms_alone"],
            "ms per step, training": found["wall_ms_training"],
            "without environment": found["wall_ms_without"],
            "environment alone": found["wall_ms_alone"],
        }

    return {"": [row(found) for found in content["rows"]]}


def _inference(content: Content) -> Tables:
    from benchmarks import synthetic

    full = synthetic.dense_float32_bytes(synthetic.mlp_actor((17, 256, 256, 6), 0.0, "float32"))
    python = content["onnxruntime_from_python"]["median"]
    onnx = content["onnxruntime_from_c"]["median"]
    dense = content["c_dense_float32"]["median"]

    def row(numbers: str, sparsity: float, compacted: bool, microseconds: float, size: int) -> Row:
        return {
            "sparsity": sparsity,
            "numbers": numbers,
            "compacted": "yes" if compacted else "no",
            "times faster than ONNX Runtime from C": onnx / microseconds,
            "times faster than dense C": dense / microseconds,
            "times smaller": full / size,
            "us": microseconds,
            "bytes": size,
        }

    actors = (
        row(
            actor["path"],
            actor["sparsity"],
            actor["compacted"],
            actor["latency"]["median"],
            actor["packed_bytes"],
        )
        for actor in content["actors"]
    )
    return {
        "": [
            row("float32, ONNX Runtime from Python", 0.0, False, python, full),
            row("float32, ONNX Runtime from C", 0.0, False, onnx, full),
            row("float32, C", 0.0, False, dense, full),
            *actors,
        ]
    }


PEERS = """\
Ten seeds as a user of each library would run them; who trains one seed per process gets one process
per core. One network, and all settings that bear on the rate, for all
([settings.py](peers/settings.py)). "lowest" and "highest" are the ratios of single turns."""

BUSY = """\
Two processes `python -c "while True: pass"` run beside the benchmark. sbx's process on a core has
two threads that take turns, ours has one thread a device: a system that shares its cores between
threads gives more to more of them."""

REJAX = """
rejax draws every batch without replacement from the whole replay; its second row has a replay so
small that this costs next to nothing."""

MEMBER_STEPS = """\
Counted from the phases, not measured. Separate runs train every seed of every arm from step 0;
where "int8 continued", an int8 run continues from the end of its level's float32 run."""

UPDATE = """\
Environment step, row of replay and update of ten members, 256-256, batch 256. The ceiling is the
same machine's rate of batched float32 matrix products, in turns with the programs."""

INSIDE = """\
"Difference" is training with the environment less training with one that costs nothing; where
updates take almost all of the time it is noise."""

RIVALS = """\
One observation at a time, one thread; dense actors for the others, which gain nothing from zeros.
CMSIS-NN and onnx2c are built from their sources, LiteRT is `pip install ai-edge-litert`. "Largest
difference" is that of an action to the float32 actor's, where int8 is a runtime's own."""

SECTIONS: tuple[Section, ...] = (
    Section(
        "SAC on HalfCheetah-v4, beside other libraries",
        "benchmarks/peers_sac.json",
        "python -m benchmarks.peers sac --json results/benchmarks/peers_sac.json",
        PEERS,
        _without_versions,
        _versions,
    ),
    Section(
        "The same beside two processes that only count",
        "benchmarks/peers_sac_busy.json",
        "python -m benchmarks.peers sac --only sbx --json results/benchmarks/peers_sac_busy.json",
        BUSY,
        _without_versions,
        _versions,
    ),
    Section(
        "The same with more devices than cores",
        "benchmarks/peers_sac_busy_5_devices.json",
        "python -m benchmarks.peers sac --only sbx --devices 5 "
        "--json results/benchmarks/peers_sac_busy_5_devices.json",
        BUSY,
        _without_versions,
        _versions,
    ),
    Section(
        "DQN on MinAtar Breakout, beside other libraries",
        "benchmarks/peers_dqn.json",
        "python -m benchmarks.peers dqn --json results/benchmarks/peers_dqn.json",
        PEERS + REJAX,
        _without_versions,
        _versions,
    ),
    *(
        Section(
            f"PPO on {task}, beside other libraries",
            f"benchmarks/peers_{name}.json",
            f"python -m benchmarks.peers {name} --json results/benchmarks/peers_{name}.json",
            PEERS,
            _without_versions,
            _versions,
        )
        for name, task in {
            "ppo": "CartPole-v1",
            "ppo_pendulum": "Pendulum-v1",
            "ppo_hopper": "Hopper-v4",
        }.items()
    ),
    Section(
        "Member-steps of a study, forked against separate runs",
        "benchmarks/member_steps.json",
        "python -m benchmarks.member_steps --json results/benchmarks/member_steps.json",
        MEMBER_STEPS,
    ),
    Section(
        "One update of SAC, and the machine's ceiling",
        "benchmarks/update.json",
        "python -m benchmarks.update --json results/benchmarks/update.json",
        UPDATE,
    ),
    Section(
        "Members in cohorts",
        "benchmarks/cohorts.json",
        "python -m benchmarks.cohorts --json results/benchmarks/cohorts.json",
        "Times as fast as with all members at once, in the cohorts that training chooses and in "
        "others, one after the other.",
    ),
    Section(
        "More members, more devices",
        "benchmarks/scaling.json",
        "python -m benchmarks.scaling --json results/benchmarks/scaling.json "
        "--picture results/benchmarks/scaling.png",
        "SAC as above; the first row is one member on one device; "
        "[the same as a picture](../results/benchmarks/scaling.png).",
        _beside_first("member-steps/s", "times the first row"),
    ),
    Section(
        "DQN on MinAtar Breakout",
        "benchmarks/dqn_minatar.json",
        "python -m benchmarks.dqn_minatar --json results/benchmarks/dqn_minatar.json",
        "Environment steps per second of all members together, in the cohorts of training; beside "
        "it what the machine's products and passes over memory would take alone.",
        _beside_first("steps/s", "times one member's rate"),
    ),
    Section(
        "Parts of a run",
        "benchmarks/loop.json",
        "python -m benchmarks.loop --json results/benchmarks/loop.json",
        "The demo, ten members. Shares are of the training step, or of the training between two.",
    ),
    Section(
        "Parts of a run on MinAtar",
        "benchmarks/loop_minatar.json",
        "python -m benchmarks.loop dqn_breakout_minatar "
        "--json results/benchmarks/loop_minatar.json",
        "The same of DQN on Breakout, ten members.",
    ),
    Section(
        "What int8 training costs",
        "benchmarks/int8.json",
        "python -m benchmarks.int8 --json results/benchmarks/int8.json",
        "Forward and backward of the quantized network alone, ten members; to float32.",
    ),
    Section(
        "What a sparsity method costs",
        "benchmarks/methods.json",
        "python -m benchmarks.methods --json results/benchmarks/methods.json",
        "SAC 256-256 and DQN on MinAtar at 75 %; a mask update is the difference of two programs.",
    ),
    Section(
        "Convolutions of a population",
        "benchmarks/conv.json",
        "python -m benchmarks.conv --networks minatar nature --json results/benchmarks/conv.json",
        "Patches and one product (ours) against XLA's convolutions, ten networks under vmap.",
    ),
    Section(
        "Inference of a delivered actor",
        "benchmarks/inference.json",
        "python -m benchmarks.inference --json results/benchmarks/inference.json",
        "17-256-256-6, one observation, random weights and masks; bytes against the same layers, "
        "dense in float32. `integer` is int8 in fixed powers of two.",
        _inference,
    ),
    Section(
        "Inference of networks on images",
        "benchmarks/image_inference.json",
        "python -m benchmarks.image_inference --json results/benchmarks/image_inference.json",
        "Q-networks of MinAtar, of Nature (84 x 84 x 4) and of IMPALA, one observation, random "
        "weights and masks, not compacted. ONNX Runtime is called from Python, one thread.",
    ),
    Section(
        "The same actor in other runtimes, random weights",
        "benchmarks/rivals.json",
        "python -m benchmarks.rivals --cmsis-nn CMSIS-NN --onnx2c onnx2c/onnx2c "
        "--json results/benchmarks/rivals.json",
        RIVALS,
        notes=_not_run,
    ),
    Section(
        "The same actor in other runtimes, trained policies",
        "benchmarks/rivals_pendulum.json",
        "python -m benchmarks.rivals --policies results/pendulum/policies --cmsis-nn CMSIS-NN "
        "--onnx2c onnx2c/onnx2c --json results/benchmarks/rivals_pendulum.json",
        "The quick start's policies, 3-256-256-1, as they are delivered.",
        notes=_not_run,
    ),
    Section(
        "Environments alone",
        "envs/steps_per_second.json",
        "python -m benchmarks.envs --json results/envs/steps_per_second.json",
        "Beside the vector environment of their own library, where there is one.",
        _environments,
    ),
    Section(
        "Environments inside training",
        "envs/inside_training.json",
        "python -m benchmarks.envs --training --json results/envs/inside_training.json",
        INSIDE,
        _inside_training,
    ),
    Section(
        "Runs that are killed and resumed",
        "benchmarks/kill.json",
        "python -m benchmarks.kill --kills 100 --json results/benchmarks/kill.json",
        "The command ends with code 0 where every resumed run ends with the same bytes as one that "
        "was left alone.",
    ),
    Section(
        "Packed files that are damaged",
        "benchmarks/damaged_files.json",
        "python -m benchmarks.damaged_files --files 1000000 --workers 2 --seconds 1800 "
        "--json results/benchmarks/damaged_files.json",
        "Each with a right checksum. It is refused in one line that names the file, or read as an "
        "actor; wrong is everything else, more than 0.2 s, and more than 100 MB.",
    ),
    Section(
        "How far a verdict can be trusted",
        "benchmarks/verdicts.json",
        "python -m benchmarks.verdicts --json results/benchmarks/verdicts.json",
        "Ten thousand drawn studies for each number (a fifth of them for the interval of a "
        "return). Dense has gained 1, so the margin is 0.05. A seed's difference from itself dense "
        "is normal with a standard deviation of 0.1; or it collapses: a share of trainings loses "
        "everything, the others nothing.",
    ),
    Section(
        "A panel on one GPU",
        "gpu/gpu_panel.json",
        "python -m benchmarks.gpu_panel --json results/gpu/gpu_panel.json",
        "Of the panel's measurements the time on a device sufficed for these. Without the flag "
        "that a training sets, most of it went into compiling (compile s).",
    ),
)
