"""A made-up run directory with the shape of a real one: every number is drawn or set here."""

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import save_file

from sparse_rl.architecture import Clip, Dense, Network, Observation, to_json

STEPS, BEGIN, END, EVERY = 100_000, 20_000, 80_000, 5_000
LEVELS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
SHAPES = {"hidden_0": (11, 64), "hidden_1": (64, 64), "mean": (64, 3)}
DENSE, RANDOM = 2600.0, 20.0
LOSS = {0.0: 0, 0.5: -60, 0.8: 30, 0.9: 10, 0.95: 40, 0.98: 250, 0.99: 900}
"""By how much the return of a level is lower than dense, before noise."""

Rows = list[tuple[int, str, int, float, str, str, float]]


def schedule(step: float, level: float) -> float:
    """Cubic schedule of Zhu and Gupta, written out for the tests."""
    done = min(max((step - BEGIN) / (END - BEGIN), 0), 1)
    return level * (1 - (1 - done) ** 3)


def curve(step: float, final: float) -> float:
    return RANDOM + (final - RANDOM) * (1 - np.exp(-5 * step / STEPS))


def member_rows(
    seed: int, level: float, quantization: str, final: float, random: np.random.Generator
) -> Rows:
    """Learning curve after the fork and final evaluation of one member."""
    rows: Rows = []

    def add(step: int, phase: str, metric: str, value: float) -> None:
        rows.append((step, phase, seed, level, quantization, metric, value))

    weights = sum(a * b for a, b in SHAPES.values())
    quantized = quantization != "float32"
    steps = range(STEPS if quantized else BEGIN, (120_000 if quantized else STEPS) + 1, EVERY)
    for step in steps[1:]:
        phase = "quantize" if quantized else "prune" if step <= END else "finetune"
        asked = schedule(step, level)
        add(step, phase, "return", curve(step, final) + random.normal(0, 60))
        add(step, phase, "sparsity", round(asked * weights) / weights)
        for layer in SHAPES:
            add(step, phase, f"density/{layer}", 1 - asked)
        add(step, phase, "critic_loss", 1 / (1 + step / EVERY))
    end = 120_000 if quantized else STEPS
    add(end, "final", "return", final)
    add(end, "final", "episode_length", 1000.0)
    add(end, "final", "nonzero", weights - round(level * weights))
    add(end, "final", "sparsity", round(level * weights) / weights)
    return rows


def write_run(
    directory: Path,
    *,
    environment: str = "mujoco/Hopper-v4",
    seeds: int = 8,
    levels: tuple[float, ...] = LEVELS,
    modes: tuple[str, ...] = ("int8",),
    failed: tuple[tuple[int, float, str], ...] = (),
    with_costs: bool = True,
    format: int = 2,
) -> Path:
    """Write the run directory and return it."""
    random = np.random.default_rng(5)
    rows: Rows = []
    skill = random.normal(0, 200, seeds)
    for seed in range(seeds):
        for step in (5_000, 10_000):
            rows.append((step, "prefill", seed, 0.0, "float32", "train_return", RANDOM))
        for step in range(10_000 + EVERY, BEGIN + 1, EVERY):
            value = curve(step, DENSE + skill[seed])
            rows.append((step, "dense", seed, 0.0, "float32", "return", value))
            rows.append((step, "dense", seed, 0.0, "float32", "sparsity", 0.0))
    arms = list(itertools.product(("float32", *modes), levels))
    for (quantization, level), seed in itertools.product(arms, range(seeds)):
        loss = LOSS[level] + (35 if quantization == "int8" else 0)
        final = DENSE + skill[seed] - loss + random.normal(0, 50)
        rows += member_rows(seed, level, quantization, final, random)
        if (seed, level, quantization) in failed:
            rows.append((STEPS, "final", seed, level, quantization, "failed", 1.0))
    directory.mkdir(parents=True)
    columns = ["step", "phase", "seed", "sparsity", "quantization", "metric", "value"]
    table = pd.DataFrame(rows, columns=columns)
    if format == 2:
        keys = zip(table.sparsity, table.quantization, strict=True)
        names = [name(level, kind) for level, kind in keys]
        table.insert(3, "variant", names)
        table = table.drop(columns=["sparsity", "quantization"])
    table.to_csv(directory / "metrics.csv", index=False)
    settings = config(environment, seeds, levels, modes)
    (directory / "config.yaml").write_text(yaml.safe_dump(settings))
    (directory / "versions.txt").write_text("jax 0.10.2\nflax 0.12.8\n")
    _write_policies(directory, arms, seeds)
    if format == 2:
        _write_record(directory, arms, seeds, len(levels), modes)
    if with_costs:
        _write_costs(directory, arms)
    return directory


def name(level: float, quantization: str) -> str:
    return f"{level:g}" + ("" if quantization == "float32" else f"-{quantization}")


def _write_record(
    directory: Path,
    arms: list[tuple[str, float]],
    seeds: int,
    levels: int,
    modes: tuple[str, ...],
) -> None:
    variants = {
        name(level, kind): {
            "method": "gradual",
            "sparsity": level,
            "critic_sparsity": 0.0,
            "arithmetic": kind,
        }
        for kind, level in [("float32", 0.0), *arms]
    }
    (directory / "variants.json").write_text(json.dumps(variants))
    spans = [
        ("prefill", 0, 10_000, seeds),
        ("dense", 10_000, BEGIN, seeds),
        ("prune", BEGIN, END, seeds * levels),
        ("finetune", END, STEPS, seeds * levels),
        *(("quantize", STEPS, 120_000, seeds * levels) for _ in modes),
    ]
    keys = ("name", "begin", "end", "members")
    files = (directory / "policies").iterdir()
    record = {
        "format": 2,
        "phases": [dict(zip(keys, span, strict=True)) for span in spans],
        "policies": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }
    (directory / "run.json").write_text(json.dumps(record))
    *hidden, mean = (Dense(name, units) for name, (_, units) in SHAPES.items())
    network = Network(Observation((11,)), tuple(hidden), (mean,), Clip((-1.0,) * 3, (1.0,) * 3))
    (directory / "network.json").write_text(to_json(network))


def config(
    environment: str, seeds: int, levels: tuple[float, ...], modes: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "environment": environment,
        "seeds": seeds,
        "agent": {"name": "sac", "learning_rate": 3e-4},
        "network": {"torso": "mlp", "hidden": [64, 64]},
        "training": {"steps": STEPS, "learning_starts": 10_000},
        "sparsity": {
            "levels": list(levels),
            "distribution": "uniform",
            "begin": 0.2,
            "end": 0.8,
            "interval": 1_000,
        },
        "quantization": {"modes": list(modes), "fraction": 0.2},
        "evaluation": {"every": EVERY, "episodes": 20, "final_episodes": 50},
    }


def _write_policies(directory: Path, arms: list[tuple[str, float]], seeds: int) -> None:
    random = np.random.default_rng(6)
    (directory / "policies").mkdir()
    for quantization, level in arms:
        arrays: dict[str, np.ndarray] = {}
        for layer, shape in SHAPES.items():
            kernel = random.normal(size=(seeds, *shape)).astype(np.float32)
            if layer == "hidden_0":
                kernel *= np.linspace(0.4, 1.6, shape[0], dtype=np.float32)[:, None]
            threshold = np.quantile(np.abs(kernel), level, axis=(1, 2), keepdims=True)
            mask = np.abs(kernel) >= threshold
            arrays[f"params/{layer}/kernel"] = kernel * mask
            arrays[f"params/{layer}/bias"] = np.zeros((seeds, shape[1]), np.float32)
            arrays[f"masks/{layer}/kernel"] = mask
        save_file(arrays, str(directory / "policies" / f"{name(level, quantization)}.safetensors"))


def _write_costs(directory: Path, arms: list[tuple[str, float]]) -> None:
    for quantization, level in arms:
        weights = sum(a * b for a, b in SHAPES.values()) * (1 - level)
        per_weight = 5 if quantization == "float32" else 2
        folder = directory / "artifacts" / name(level, quantization)
        folder.mkdir(parents=True)
        cost = {
            "bytes": {"packed": int(300 + per_weight * weights), "dense_float32": 19_968},
            "latency": {
                "c": {"median": 0.3 + 0.0011 * weights, "p99": 9.0, "calls": 1000},
                "c_dense_float32": {"median": 2.5, "p99": 9.0, "calls": 1000},
            },
            "energy_measured": {"c": "not available", "c_dense_float32": "not available"},
            "energy_model": {
                "compressed": {"arithmetic": 0.002 * weights, "memory": 0.02 * weights + 1},
                "dense_float32": {"arithmetic": 23.0, "memory": 100.0},
            },
        }
        (folder / "cost.json").write_text(json.dumps(cost))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run directory for all tests that only read it."""
    return write_run(tmp_path_factory.mktemp("runs") / "hopper")


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """`make_run(directory, **settings)` writes a run directory below the test's own folder."""

    def make(directory: str = "hopper", **settings: Any) -> Path:
        return write_run(tmp_path / directory, **settings)

    return make
