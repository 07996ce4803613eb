"""The unattended run: what it keeps when it is cut off, one measurement at a time; its tables."""

import io
import itertools
import json
import math
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from benchmarks import gpu_cases, gpu_panel, gpu_worker
from benchmarks.gpu_cases import LINEAR, SPRING, Case, training
from benchmarks.gpu_panel import Notebook, measure_all
from benchmarks.gpu_tables import tables
from benchmarks.results import machine_line, part
from benchmarks.sections import Section
from sparse_rl.memory import replay

MACHINE = {
    "cpu": "x",
    "cores": 2,
    "load_average": 0.0,
    "devices": ["NVIDIA H100 80GB HBM3"],
    "jax": "0",
    "python": "3",
    "date": "today",
}

# Speaks as a worker does, and writes down when it measures. The environment says what it does.
FAKE = f"""
import json, sys, time
case = json.loads(sys.argv[1])
if case["environment"] == "crashes":
    sys.exit("the device is gone")
if case["environment"] == "hangs":
    time.sleep(60)
print("noise")
print("@ready", flush=True)
if not sys.stdin.readline():
    sys.exit()
begin = time.time()
time.sleep(0.15)
machine = {MACHINE!r} | {{"jax": case["network"]}}
row = {{"seconds": 1.0, "span": [begin, time.time()]}}
print("@" + json.dumps({{"row": row, "machine": machine}}), flush=True)
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    monkeypatch.setattr(gpu_panel, "COMMAND", [sys.executable, str(script)])


def cases(*names: str, version: str = "0") -> list[Case]:
    """Cases that have no table."""
    return [Case("other", name, network=version) for name in names]


def spans(notebook: Notebook) -> list[tuple[str, float, float]]:
    good = {case: row for case, row in notebook.measured.items() if "span" in row}
    return [(case.environment, *row["span"]) for case, row in good.items()]


@pytest.mark.usefixtures("fake")
def test_one_measures_at_a_time_and_failures_stand_beside_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_panel, "CASE_SECONDS", 6.0)
    notebook = Notebook(tmp_path / "panel.json")
    measure_all(cases("a", "crashes", "b", "hangs", "c"), notebook, 1.0, ahead=3)
    errors = {case.environment: row.get("error") for case, row in notebook.measured.items()}
    assert errors == {
        "a": None,
        "b": None,
        "c": None,
        "crashes": "exit status 1: the device is gone",
        "hangs": "took longer than 6 s",
    }
    in_time = sorted(spans(notebook), key=lambda span: span[1])
    assert len(in_time) == 3
    for (_, _, end), (_, begin, _) in itertools.pairwise(in_time):
        assert end <= begin


@pytest.mark.usefixtures("fake")
def test_another_run_measures_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "panel.json"
    wanted = cases("a", "b")
    measure_all(wanted[:1], Notebook(path), 1.0, ahead=1)
    first = Notebook(path).measured[wanted[0]]
    measure_all(wanted, Notebook(path), 0.0, ahead=1)
    assert Notebook(path).measured[wanted[0]] == first
    assert Notebook(path).measured[wanted[1]] == {"error": "no time was left"}
    measure_all(wanted, Notebook(path), 1.0, ahead=1)
    again = Notebook(path)
    assert again.measured[wanted[0]] == first
    assert again.has(wanted[1])
    # Another version of JAX: nothing of the old one stays.
    (new,) = cases("c", version="1")
    measure_all([new], again, 1.0, ahead=1)
    assert list(Notebook(path).measured) == [new]


def row(seconds: float, **more: Any) -> dict[str, Any]:
    """A result of training whose floor is 0.001 s on an H100, by bytes."""
    return {
        "seconds": seconds,
        "slowest": seconds,
        "compile seconds": 1.0,
        "counted": {"operations": 67e12 * 0.0004, "bytes": 3.35e9},
        "reported": {"operations": 67e12 * 0.0008, "bytes": 6.7e9},
        "state bytes": 1,
        "temporary bytes": 1,
        "peak bytes": None,
        **more,
    }


def by_title(measured: dict[Case, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    made = tables(measured, MACHINE["devices"][0])  # type: ignore[index]
    return {table["title"]: table["rows"] for table in made}


def test_aims_are_met_or_not() -> None:
    measured = {
        training(SPRING, 80): row(0.002),
        training(SPRING, 10): row(0.0013),
        training(SPRING, 1): row(0.001),
        training(LINEAR, 80): row(0.0041),
        training(LINEAR, 80, precision="bfloat16"): row(0.00205),
        training(LINEAR, 80, buffers="off"): row(0.0082),
        training(SPRING, 160): {"error": "out of memory"},
    }
    made = by_title(measured)
    aims = {(each["environment"], each["what"]): each for each in made["Aims"]}
    found = {key: (each["found"], each["met"]) for key, each in aims.items()}
    assert found == {
        (SPRING, "80 members, ms per step of all"): (2.0, "yes"),
        (SPRING, "ten seeds to one"): (pytest.approx(1.3), "yes"),
        (SPRING, "80 members, times the floor"): (pytest.approx(2.0), "yes"),
        # 0.2 million steps of 1.3 ms and a million of 2 ms.
        (SPRING, "the study of 80 million steps and int8, minutes"): (
            pytest.approx((260 + 2000) / 60),
            "yes",
        ),
        (LINEAR, "80 members, ms per step of all"): (pytest.approx(4.1), "no"),
        (LINEAR, "80 members, times the floor"): (pytest.approx(4.1), "no"),
    }
    variants = {
        (each["precision"], each["command buffers"]): each["against default"]
        for each in made["Precision and command buffers, against the defaults"]
    }
    assert variants == {("bfloat16", "default"): 0.5, ("float32", "off"): 2.0}
    (failed,) = made["Not measured"]
    assert failed == {"case": f"training, {SPRING}, mlp 160", "reason": "out of memory"}
    first = made["Roofline"][0]
    assert first["floor of operations, ms"] == pytest.approx(0.4)
    assert first["floor of bytes, ms"] == pytest.approx(1.0)
    assert first["XLA's bytes at full bandwidth, ms"] == pytest.approx(2.0)


def test_the_page_of_results_reads_the_file(tmp_path: Path) -> None:
    notebook = Notebook(tmp_path / "panel.json")
    notebook.add(training(SPRING, 80), {"row": row(0.002), "machine": MACHINE})
    text = "\n".join(part(Section("GPU", "panel.json", "command"), notebook.path))
    assert "80 members, times the floor" in text
    assert machine_line(MACHINE) in text
    page = notebook.path.with_suffix(".md").read_text()
    assert "| 80 members, ms per step of all | 2 | 2 | yes |" in page


@pytest.mark.parametrize(
    "case", [case for case in gpu_cases.panel() if case.kind == "training"], ids=lambda c: c.name
)
def test_every_training_of_the_panel_has_a_valid_configuration(case: Case) -> None:
    config = gpu_worker.config_of(case)
    assert config.replay.capacity == case.capacity
    assert config.training.precision == case.precision
    assert config.training.gradient_steps == case.gradient_steps


def test_the_whole_panel_fills_every_table() -> None:
    """Nothing is measured for nothing: each case is in a table, beside what it is compared with."""
    panel = gpu_cases.panel()
    assert len({case.name for case in panel}) == len(panel)
    formulations = [{"formulation": "patches", "update seconds": 1.0, "acting seconds": 1.0}]
    formulations[0]["compile seconds"] = 1.0
    peak = {"float32": 1.0, "tf32": 1.0, "bf16": 1.0, "bandwidth": 1.0, "source": "measured"}
    made = by_title(
        {case: row(case.members * 1e-4, peak=peak, formulations=formulations) for case in panel}
    )
    assert "Not measured" not in made
    aims_of = Counter(each["environment"] for each in made["Aims"])
    assert aims_of.keys() == {SPRING, LINEAR, gpu_cases.BRAX_MJX, gpu_cases.OWN_MJX}
    assert set(aims_of.values()) == {4}
    assert all(math.isfinite(each["share of training"]) for each in made["Environments alone"])
    compared = "Precision and command buffers, against the defaults"
    once = ("Roofline", compared, "Environments alone", "Convolutions under vmap")
    assert sum(len(made[title]) for title in once) == len(panel) - 1  # and the peak


def run_worker(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["worker", json.dumps(case._asdict())])
    monkeypatch.setattr(sys, "stdin", io.StringIO("go\n"))
    with jax.default_matmul_precision(None):
        gpu_worker.main()
    return capsys.readouterr().out.splitlines()


def test_a_worker_trains_and_says_how_long_a_step_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = gpu_cases.tiny()[2]
    began = time.perf_counter()
    ready, answer = run_worker(case, monkeypatch, capsys)
    taken = time.perf_counter() - began
    assert ready == "@ready"
    found = json.loads(answer[1:])
    assert found["machine"]["jax"] == jax.__version__
    measured = found["row"]
    assert measured["fastest"] <= measured["seconds"] <= measured["slowest"]
    assert measured["fastest"] * measured["iterations"] * case.repeats < taken
    # Two members: memories of 1000 rows of 98 bytes and 2 x 1,500 parameters with moments and more.
    assert measured["state bytes"] == pytest.approx(2 * (1000 * 98 + 4 * 4 * 2000), rel=0.2)
    # XLA also counts what is done element by element.
    assert 1 < measured["reported"]["operations"] / measured["counted"]["operations"] < 2


def test_a_worker_that_fails_says_why_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (answer,) = run_worker(training("brax/halfsheep", 2), monkeypatch, capsys)
    assert "halfsheep" in json.loads(answer[1:])["error"]


@pytest.mark.parametrize(
    ("shape", "observation", "action"),
    [((17,), np.float32, np.zeros((1, 6), np.float32)), ((8, 8), np.uint8, np.zeros(1, np.int32))],
)
def test_memories_are_full_of_rows_that_differ(
    shape: tuple[int, ...], observation: type, action: Any
) -> None:
    """Empty ones would teach nothing, and denormal numbers would be slow."""
    empty = replay.init(20, np.zeros((1, *shape), observation), action)
    memories = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), empty)
    full = gpu_worker.full_of_waves(memories)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), full) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), memories
    )
    assert bool(full.valid.all())
    assert not bool((full.terminated | full.truncated).any())
    rows = np.asarray(full.observation, np.float32).reshape(40, -1)
    assert len(np.unique(rows, axis=0)) > 35  # a few may round to the same bytes
    assert np.isfinite(rows).all()
    if observation is np.uint8:
        assert set(np.unique(full.action)) == {0, 1}
