"""Do the formats of an image policy act as the JAX network does?

    python -m benchmarks.agreement --observations 10000 --networks nature impala

Q-networks of full size (84 x 84 x 4 bytes in, dense 512), in every arm: float32, int8 weights
(int8w), int8 weights and activations (int8). Their weights are initial ones, pruned to 98 % by
magnitude, each layer alike, and scaled to the variance 2 / fan_in (He et al. 2015), so that the
outputs depend on what is seen. The observations are those of whole episodes of `synthetic/frames`,
played by the float32 policy of the same network with epsilon 0.3.

The reference is the network's forward pass in JAX, batched and compiled. Against it stand the
packed file read back and run with NumPy, the generated C, compiled, and the ONNX model in
onnxruntime. In the int8 arm a compiler that fuses a product and a sum moves an activation by one
unit in the last place, and one on a rounding edge by a whole step; with `--unfused` that arm is
also compared with the same forward pass one operation at a time, where nothing is fused.

Every observation that occurs is computed once and counted as often as it was seen. A row that
would take more than `--seconds` of processor time stops there and shows how many it compared.
Rows of other networks that the output file has already are kept.
"""

import argparse
import csv
import ctypes
import dataclasses
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
from jaxtyping import Float, Int, Num

from benchmarks.harness import print_table
from sparse_rl import atomic_file
from sparse_rl.architecture import Dense, Network, Observation, observation_of
from sparse_rl.architecture import torso as operations_of
from sparse_rl.architecture.operations import ArgMax
from sparse_rl.architecture.options import TorsoOptions
from sparse_rl.arithmetics import Arithmetic
from sparse_rl.artifact import packed, reference
from sparse_rl.artifact.binding import bind
from sparse_rl.artifact.c_source import generate
from sparse_rl.artifact.compaction import compact
from sparse_rl.artifact.compiler import compile_shared
from sparse_rl.artifact.graph import Graph
from sparse_rl.artifact.onnx import model as onnx_model
from sparse_rl.artifact.packed import PackedActor, Provenance
from sparse_rl.envs import EnvSpec, make
from sparse_rl.networks import QNetwork
from sparse_rl.playing.play import play
from sparse_rl.quantization.aqt import dot_products

ENVIRONMENT = "synthetic/frames"
NETWORKS = ("nature", "impala")
ARMS: tuple[Arithmetic, ...] = ("float32", "int8w", "int8")
SPARSITY = 0.98
EPSILON = 0.3
HIDDEN = (512,)
BATCH = 64

Outputs = Float[np.ndarray, "batch actions"]
Actions = Int[np.ndarray, " batch"]
Run = Callable[[Num[np.ndarray, "batch *observation"]], tuple[Outputs, Actions]]
"""Q values and the actions chosen."""


class Seen(NamedTuple):
    """Different observations in random order, and how often each was seen."""

    different: Num[np.ndarray, "different *observation"]
    times: Int[np.ndarray, " different"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One format of one arm against the JAX network."""

    network: str
    arm: str
    format: str
    against: str
    observations: int
    """Observations compared; fewer than were asked for where the time limit came first."""
    different: int
    """Different ones among them."""
    equal_actions: float
    """Share of the observations."""
    largest_difference: float
    """Of an output, relative to the largest output's magnitude."""
    largest_loss: float
    """How much less the reference values another action than its own, on the same scale."""
    commonest_action: float
    """Share of the observations in which the reference chooses its commonest action."""
    seconds: float
    """Processor time of the format."""
    command: str


def pruned(params: Any, sparsity: float) -> Any:
    """Kernels with the largest (1 - sparsity) of their weights, scaled to variance 2 / fan_in."""

    def prune(path: Any, leaf: jax.Array) -> np.ndarray:
        array = np.asarray(leaf)
        if path[-1].key != "kernel":
            return array
        keep = max(1, round(array.size * (1 - sparsity)))
        magnitude = np.abs(array)
        threshold = np.partition(magnitude.ravel(), -keep)[-keep]
        kept = np.where(magnitude >= threshold, array, np.float32(0))
        fan_in = array.size // array.shape[-1]
        scale = np.sqrt(2 / fan_in / np.mean(np.square(kept, dtype=np.float64)))
        return (kept * np.float32(scale)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(prune, params)


def q_network(name: str, arm: Arithmetic, observation: Observation, actions: int) -> QNetwork:
    operations = operations_of(TorsoOptions(name, HIDDEN), observation)  # type: ignore[arg-type]
    network = Network(observation, operations, (Dense("head", actions),), ArgMax())
    return QNetwork(network, dot_products(arm))


def initial(torso: str, observation: Observation, actions: int) -> Any:
    """Pruned parameters, the same in every arm."""
    blank = jnp.zeros((1, *observation.shape), observation.dtype)
    network = q_network(torso, "float32", observation, actions)
    return pruned(network.init(jax.random.key(3), blank)["params"], SPARSITY)


def in_jax(network: QNetwork, params: Any, compiled: bool) -> Run:
    """The network's forward pass, `BATCH` observations at once."""
    apply = jax.jit(network.apply) if compiled else network.apply

    def run(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        number = len(observations)
        filled = np.zeros((BATCH, *observations.shape[1:]), observations.dtype)
        filled[:number] = observations
        outputs = np.asarray(apply({"params": params}, jnp.asarray(filled)))[:number]
        return outputs, np.argmax(outputs, axis=-1)

    return run


def in_numpy(actor: PackedActor, directory: Path) -> Run:
    """The packed file, read back."""
    packed.save(directory / "actor.srl", actor)
    graph = packed.load(directory / "actor.srl").graph

    def run(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = reference.outputs(graph, observations)
        return outputs, reference.action_of(graph, outputs)

    return run


def in_c(graph: Graph, directory: Path) -> Run:
    """`srl_outputs` and `srl_act` of the generated C, one observation at a time."""
    generate(graph).write(directory)
    library = ctypes.CDLL(str(compile_shared(directory, directory / "srl_actor.so")))

    def run(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = np.empty((len(observations), *graph.output_shape), np.float32)
        actions = np.empty(len(observations), np.int32)
        for k, observation in enumerate(np.ascontiguousarray(observations)):
            seen = ctypes.c_void_p(observation.ctypes.data)
            failed = library.srl_outputs(seen, ctypes.c_void_p(outputs[k].ctypes.data))
            failed |= library.srl_act(seen, ctypes.c_void_p(actions[k:].ctypes.data))
            if failed:
                raise ValueError("the C artifact refused an observation")
        return outputs, actions

    return run


def in_onnxruntime(graph: Graph, directory: Path) -> Run:
    """The model as it is saved, with the Q values named as a second result."""
    onnx_model.save(directory / "actor.onnx", graph)
    model = onnx.load(directory / "actor.onnx")
    q_values = next(node for node in model.graph.node if node.op_type == "ArgMax").input[0]
    width = graph.output_shape[0]
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(q_values, onnx.TensorProto.FLOAT, ["batch", width])
    )
    settings = onnxruntime.SessionOptions()
    # Waiting threads sleep: on a shared machine they would take the processor from the others.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )

    def run(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        actions, outputs = session.run(["action", q_values], {"observation": observations})
        return outputs, actions

    return run


def real_observations(torso: str, number: int) -> Seen:
    """Observations of whole episodes, played by the float32 policy with epsilon `EPSILON`."""
    environment = make(ENVIRONMENT, evaluation=True)
    actions = output_count(environment.spec.action)
    observation = observation_of(environment.spec)
    params = initial(torso, observation, actions)
    forward = in_jax(q_network(torso, "float32", observation, actions), params, compiled=True)
    known: dict[bytes, int] = {}
    random = np.random.default_rng(0)

    def act(seen: np.ndarray) -> np.ndarray:
        keys = [one.tobytes() for one in seen]
        new = list({key: k for k, key in enumerate(keys) if key not in known}.values())
        for start in range(0, len(new), BATCH):
            part = new[start : start + BATCH]
            known.update(zip([keys[k] for k in part], forward(seen[part])[1], strict=True))
        greedy = np.array([known[key] for key in keys])
        explore = random.random(len(seen)) < EPSILON
        return np.where(explore, random.integers(actions, size=len(seen)), greedy)

    shortest = 13  # steps in which the ball falls
    episodes = -(-number // shortest)
    return counted(play(act, environment, episodes, seed=0, keep=number).observations)


def output_count(action: Any) -> int:
    return int(action.n)


def counted(observations: np.ndarray) -> Seen:
    """Each observation once, shuffled, so that the first of them are a fair sample."""
    first: dict[bytes, int] = {}
    times = np.zeros(len(observations), np.int64)
    for k, observation in enumerate(observations):
        times[first.setdefault(observation.tobytes(), k)] += 1
    order = np.random.default_rng(1).permutation(np.flatnonzero(times))
    return Seen(observations[order], times[order])


def evaluate(run: Run, observations: np.ndarray, seconds: float) -> tuple[Outputs, Actions, float]:
    """Outputs and actions of as many observations as the time allows, and the processor time."""
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    start = time.process_time()
    for position in range(0, len(observations), BATCH):
        parts.append(run(observations[position : position + BATCH]))
        if time.process_time() - start > seconds:
            break
    outputs, actions = zip(*parts, strict=True)
    return np.concatenate(outputs), np.concatenate(actions), time.process_time() - start


class Comparison(NamedTuple):
    """Two evaluations over the observations that both have reached; see `Row`."""

    observations: int
    different: int
    equal_actions: float
    largest_difference: float
    largest_loss: float
    commonest_action: float


def compare(
    expected: Outputs, found: Outputs, chosen: Actions, times: Int[np.ndarray, " different"]
) -> Comparison:
    """Weighted by how often each observation was seen; the reference chooses the first largest."""
    number = min(len(expected), len(found))
    expected, found, chosen = expected[:number], found[:number], chosen[:number]
    weights = times[:number] / times[:number].sum()
    best = np.argmax(expected, axis=-1)
    rows = np.arange(number)
    loss = expected[rows, best] - expected[rows, chosen]
    largest = np.abs(expected).max()
    return Comparison(
        observations=int(times[:number].sum()),
        different=number,
        equal_actions=float(weights @ (best == chosen)),
        largest_difference=float(np.abs(found - expected).max() / largest),
        largest_loss=float(loss.max() / largest),
        commonest_action=float(np.bincount(best, weights).max()),
    )


def arm_rows(
    torso: str,
    arm: Arithmetic,
    spec: EnvSpec,
    seen: Seen,
    seconds: float,
    unfused: bool,
    command: str,
) -> Iterator[Row]:
    """All formats of one arm."""
    observation, actions = observation_of(spec), output_count(spec.action)
    params = initial(torso, observation, actions)
    arrays = {k: np.asarray(v) for k, v in flax.traverse_util.flatten_dict(params, sep="/").items()}
    network = q_network(torso, arm, observation, actions)
    graph = compact(bind(network.network, arrays, arm))
    references = {"jax": evaluate(in_jax(network, params, True), seen.different, seconds)}
    if arm == "int8" and unfused:
        eager = in_jax(network, params, compiled=False)
        references["jax, unfused"] = evaluate(eager, seen.different, seconds)

    def against_all(name: str, found: Outputs, chosen: Actions, spent: float) -> Iterator[Row]:
        for against, (expected, _, _) in references.items():
            if name == against:
                break
            result = compare(expected, found, chosen, seen.times)
            yield Row(torso, arm, name, against, *result, round(spent, 1), command)

    with tempfile.TemporaryDirectory(prefix="agreement_") as folder:
        directory = Path(folder)
        formats: dict[str, Callable[[], Run]] = {
            "C": lambda: in_c(graph, directory),
            "ONNX": lambda: in_onnxruntime(graph, directory),
            "packed/NumPy": lambda: in_numpy(PackedActor(graph, Provenance()), directory),
        }
        for name, build in formats.items():
            yield from against_all(name, *evaluate(build(), seen.different, seconds))
    for name in list(references)[1:]:
        yield from against_all(name, *references[name])


def read_rows(path: Path, without: Sequence[str]) -> list[Row]:
    """The rows of an earlier run, less those of the networks that are measured again."""
    if not path.exists():
        return []
    kinds = {column.name: column.type for column in dataclasses.fields(Row)}
    with path.open(newline="") as file:
        read = [
            Row(**{name: kinds[name](value) for name, value in line.items()})  # type: ignore
            for line in csv.DictReader(file)
        ]
    return [row for row in read if row.network not in without]


def write(out: Path, rows: Sequence[Row]) -> None:
    """The rows as CSV, and beside them how they were made."""
    names = [column.name for column in dataclasses.fields(Row)]
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file.replacing(out) as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(
            [f"{v:.6g}" if isinstance(v, float) else v for v in dataclasses.astuple(row)]
            for row in rows
        )
    lines = [
        "# Every format against the JAX network, on images",
        "",
        *(f"    {command}" for command in dict.fromkeys(row.command for row in rows)),
        "",
        f"`{ENVIRONMENT}`, epsilon {EPSILON}; 84 x 84 x 4 bytes, dense {HIDDEN[0]}; untrained",
        f"weights pruned to {SPARSITY:.0%} by magnitude. `different`: how many of the observations",
        "differ from one another; each is computed once and counted as often as it was seen.",
        "`largest difference` is that of an output, relative to the largest output; `largest loss`",
        "is what another action costs by the reference's own Q values, on the same scale. Where",
        "there are fewer observations than the command asks for, the row reached its limit of",
        "processor time.",
        "",
        "| network | arm | format | against | observations | different | equal actions "
        "| largest difference | largest loss |",
        "|---|---|---|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {r.network} | {r.arm} | {r.format} | {r.against} | {r.observations:,} "
        f"| {r.different:,} | {r.equal_actions:.4%} | {r.largest_difference:.2g} "
        f"| {r.largest_loss:.2g} |"
        for r in rows
    ]
    packages = ("jax", "flax", "aqtp", "numpy", "onnx", "onnxruntime")
    lines += [
        "",
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages)
        + f"; {os.cpu_count()} cores.",
    ]
    page = out.with_suffix(".md")
    page.with_name(f".{page.name}.partial").write_text("\n".join(lines) + "\n")
    page.with_name(f".{page.name}.partial").replace(page)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--observations", type=int, default=10_000)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seconds", type=float, default=240, help="processor time of one row")
    parser.add_argument("--unfused", action="store_true", help="also JAX one operation at a time")
    parser.add_argument("--out", type=Path, default=Path("results/agreement.csv"))
    options = parser.parse_args()
    command = " ".join(["python -m benchmarks.agreement", *sys.argv[1:]])
    spec = make(ENVIRONMENT, evaluation=True).spec
    rows = read_rows(options.out, without=options.networks)
    for torso in options.networks:
        seen = real_observations(torso, options.observations)
        print(f"{torso}: {len(seen.different)} different observations of {seen.times.sum()}")
        for arm in options.arms:
            for row in arm_rows(torso, arm, spec, seen, options.seconds, options.unfused, command):
                rows.append(row)
                write(options.out, rows)
                print(*dataclasses.astuple(row)[:-1], flush=True)
    shown = [dataclasses.asdict(row) for row in rows]
    for each in shown:
        del each["command"]
    print_table("formats against the JAX network", shown)


if __name__ == "__main__":
    main()
