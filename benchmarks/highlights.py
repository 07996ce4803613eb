"""What the benchmarks found, one line each, with its command: from the JSON files they left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu_cases import CAPACITY, LINEAR
from benchmarks.sections import SECTIONS

HEADING = """\
## Training, delivery, resuming: what was measured

On two shared cores of an AMD EPYC, but for what names a GPU; ratios carry over to other machines
better than times do. Every table in full, with its machine and load: `benchmarks/RESULTS.md`.

| what | figure | command |
|:---|:---|:---|"""

Content = Mapping[str, Any]


class Highlight(NamedTuple):
    """A line of the table: the file in results/ that it is read from, and how it is read."""

    file: str
    what: str
    figure: Callable[[Content], str]

    @property
    def command(self) -> str:
        """That of the file's section, without where the file goes."""
        (section,) = (one for one in SECTIONS if one.file == self.file)
        return section.command.partition(" --json")[0]


def _row(content: Content, **named: Any) -> Mapping[str, Any]:
    """The one row with these values."""
    (found,) = (row for row in content["rows"] if named.items() <= row.items())
    return found  # type: ignore[no-any-return]


def _beside(library: str) -> Callable[[Content], str]:
    def figure(content: Content) -> str:
        row = _row(content, library=library)
        return (
            f"{row['sparse_rl is faster by']:.2g}x as fast "
            f"({row['lowest']:.2g} to {row['highest']:.2g})"
        )

    return figure


def _member_steps(content: Content) -> str:
    row = _row(content, study="the paper's panel")
    return f"{row['member-steps'] / 1e6:g} M against {row['separately'] / 1e6:g} M"


def _masks(content: Content) -> str:
    row = _row(content, what="float32, masks at every step")
    return f"+{(row['against float32'] - 1) / 10:.2f} % of the time"  # percent, of 1,000 steps


def _on_a_gpu(content: Content) -> str:
    (table,) = (table for table in content["tables"] if table["title"] == "Roofline")
    plain = {"environment": LINEAR, "environments": 1, "memory": CAPACITY}
    rates = [_row(table, **plain, members=members)["updates/s"] for members in (1, 10, 80, 640)]
    device = content["machine"]["devices"][0]
    return f"{' / '.join(f'{rate:,.0f}' for rate in rates)} updates/s ({device})"


def _int8(content: Content) -> str:
    ratio = _row(content, what="int8")["against float32"]
    return f"{100 * (ratio - 1):+.1f} % of the time"


def _devices(content: Content) -> str:
    one = _row(content, devices=1, members=10)["member-steps/s"]
    return f"{_row(content, devices=2, members=10)['member-steps/s'] / one:.2f}x as fast"


EXPORTED = ("float32", "int8", "integer")


def _exported(content: Content, sparsity: float) -> list[Mapping[str, Any]]:
    """Actors as they are exported, in the order of `EXPORTED`."""
    compacted = (actor for actor in content["actors"] if actor["compacted"])
    found = {(actor["sparsity"], actor["path"]): actor for actor in compacted}
    return [found[sparsity, path] for path in EXPORTED]


def _size(sparsity: float) -> Callable[[Content], str]:
    def figure(content: Content) -> str:
        from benchmarks import synthetic

        full = synthetic.dense_float32_bytes(synthetic.mlp_actor((17, 256, 256, 6), 0.0, "float32"))
        sizes = (full / actor["packed_bytes"] for actor in _exported(content, sparsity))
        return f"{' / '.join(f'{ratio:.0f}x' for ratio in sizes)} smaller"

    return figure


def _faster(beside: str, sparsity: float) -> Callable[[Content], str]:
    def figure(content: Content) -> str:
        base = content[beside]["median"]
        times = (base / actor["latency"]["median"] for actor in _exported(content, sparsity))
        return f"{' / '.join(f'{ratio:.1f}x' for ratio in times)} as fast"

    return figure


def _on_the_board(column: str) -> Callable[[Content], str]:
    def figure(content: Content) -> str:
        table = next(t for t in content["tables"] if "Cortex" in t["title"])
        rows = {(row["runtime"], row["numbers"]): row[column] for row in table["rows"]}
        ours = [rows["sparse_rl", f"0.98 integer{form}"] for form in (", as masked", "")]
        return f"{' / '.join(f'{n:,}' for n in ours)} against {rows['CMSIS-NN', 'int8']:,}"

    return figure


def _damaged(content: Content) -> str:
    row = _row(content, damage="all")
    return (
        f"{row['files']:,} files: {row['wrong']:,} otherwise; {row['slowest, ms']:.0f} ms and "
        f"{content['memory, MB']} MB at most"
    )


LINES = (
    Highlight(
        "benchmarks/member_steps.json",
        "member-steps of the paper's panel (ten seeds, eight levels), forks against separate runs",
        _member_steps,
    ),
    Highlight(
        "benchmarks/peers_sac.json",
        "ten seeds of SAC on HalfCheetah-v4, beside sbx, a process per core",
        _beside("sbx"),
    ),
    Highlight(
        "benchmarks/peers_sac.json",
        "the same beside Stable-Baselines3",
        _beside("Stable-Baselines3"),
    ),
    Highlight(
        "benchmarks/peers_dqn.json",
        "ten seeds of DQN on MinAtar Breakout, beside rejax",
        _beside("rejax"),
    ),
    Highlight(
        "benchmarks/peers_dqn.json",
        "the same beside a CleanRL-style PyTorch loop, a process per core",
        _beside("CleanRL-style PyTorch loop"),
    ),
    Highlight(
        "benchmarks/peers_ppo.json", "ten seeds of PPO on CartPole, beside rejax", _beside("rejax")
    ),
    Highlight(
        "benchmarks/peers_ppo.json",
        "the same beside Stable-Baselines3, a process per core",
        _beside("Stable-Baselines3"),
    ),
    Highlight(
        "benchmarks/peers_ppo_hopper.json",
        "ten seeds of PPO on Hopper-v4 (C MuJoCo), beside Stable-Baselines3, a process per core",
        _beside("Stable-Baselines3"),
    ),
    Highlight(
        "benchmarks/update.json",
        "SAC 256-256, batch 256, ten members: share of the machine's batched-matmul rate, "
        "environment, replay and masks included",
        lambda content: f"{100 * _row(content, what='float32')['share of ceiling']:.0f} %",
    ),
    Highlight("benchmarks/update.json", "masks updated every 1,000 steps", _masks),
    Highlight("benchmarks/update.json", "int8 training beside float32", _int8),
    Highlight("benchmarks/scaling.json", "ten members on two CPU devices, against one", _devices),
    Highlight(
        "benchmarks/cohorts.json",
        "forty members in cohorts that fit a core's cache, beside all at once: "
        "SAC 256-256 / DQN on MinAtar / SAC on Pendulum",
        lambda content: " / ".join(
            f"{_row(content, workload=name)['chosen']:.2f}x"
            for name in ("SAC 256-256", "dqn_breakout_minatar", "sac_pendulum")
        ),
    ),
    Highlight(
        "gpu/gpu_panel.json",
        "SAC 256-256, batch 256, in float32 on one GPU, with an environment that costs nothing: "
        "1 / 10 / 80 / 640 members",
        _on_a_gpu,
    ),
    Highlight(
        "benchmarks/dqn_minatar.json",
        "DQN on MinAtar Breakout, ten members",
        lambda content: f"{_row(content, members=10)['steps/s']:,.0f} environment steps/s",
    ),
    Highlight(
        "benchmarks/kill.json",
        "trainings killed with SIGKILL and resumed",
        lambda content: (
            f"{content['rows'][0]['kills']} kills, "
            f"{content['rows'][0]['while_writing_a_checkpoint']} of them while a checkpoint was "
            f"being written: {content['rows'][0]['the_same']} of {content['rows'][0]['runs']} runs "
            f"end with the same bytes"
        ),
    ),
    Highlight(
        "benchmarks/damaged_files.json",
        "packed files damaged on purpose, with a right checksum, refused in one line or read",
        _damaged,
    ),
    Highlight(
        "benchmarks/inference.json",
        "file of a 17-256-256-6 actor at 98 % in float32 / int8 / integer, random masks, as "
        "exported, beside the same layers dense in float32",
        _size(0.98),
    ),
    Highlight(
        "benchmarks/inference.json",
        "its C, one observation, beside dense ONNX Runtime called from C too",
        _faster("onnxruntime_from_c", 0.98),
    ),
    Highlight(
        "benchmarks/inference.json", "the same beside dense C -O3", _faster("c_dense_float32", 0.98)
    ),
    Highlight("benchmarks/inference.json", "the same at 90 %", _faster("c_dense_float32", 0.9)),
    Highlight(
        "benchmarks/rivals.json",
        "instructions of an action on a Cortex-M4F (emulated), 17-256-256-6 at 98 % integer, as "
        "masked / as exported, beside Arm's CMSIS-NN with the dense actor in int8",
        _on_the_board("instructions"),
    ),
    Highlight(
        "benchmarks/rivals.json", "the same in bytes of flash", _on_the_board("flash of the actor")
    ),
)


def highlights(results: Path) -> Iterator[str]:
    """The section, as Markdown; a line whose file is not there is left out."""
    yield HEADING
    for line in LINES:
        file = results / line.file
        if file.exists():
            figure = line.figure(json.loads(file.read_text()))
            yield f"| {line.what} | {figure} | `{line.command}` |"
