"""Tables of what `benchmarks.gpu_panel` has measured: aims, roofline, variants, what failed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.gpu_cases import CAPACITY, Case
from benchmarks.roofline import Peak, Work, data_sheet, floors
from sparse_rl.units import in_figures

Row = dict[str, Any]
Measured = Mapping[Case, Row]
"""What each case gave: a result, or `error`."""

POPULATION_MS = 2.0
"""Aim: one step of 80 SAC members, in milliseconds."""
TEN_SEEDS = 1.3
"""Aim: a step of ten members to a step of one."""
FLOOR = 4.0
"""Aim: a step of 80 members to the roofline's floor."""


def tables(measured: Measured, device_kind: str) -> list[dict[str, Any]]:
    """All tables that have a row, each with title and rows."""
    good = {case: row for case, row in measured.items() if "error" not in row}
    failed = {case: row for case, row in measured.items() if "error" in row}
    peak = peak_of(good, device_kind)
    made = {
        "Aims": aims(good, peak),
        "Roofline": roofline(good, peak),
        "Operations, bytes and memory": work(good),
        "Precision and command buffers, against the defaults": variants(good),
        "Environments alone": environments(good),
        "Convolutions under vmap": convolutions(good),
        "Peaks": peaks(good, device_kind),
        "Not measured": [
            {"case": case.name, "reason": row["error"]} for case, row in failed.items()
        ],
    }
    return [{"title": title, "rows": rows} for title, rows in made.items() if rows]


def peak_of(good: Measured, device_kind: str) -> Peak | None:
    """By the device's name, else as measured."""
    measured = next((row["peak"] for case, row in good.items() if case.kind == "peak"), None)
    return data_sheet(device_kind) or (Peak(**measured) if measured else None)


def is_plain(case: Case) -> bool:
    """Training as it is done untold: without other precisions or flags."""
    return (case.kind, case.precision, case.buffers) == ("training", "float32", "default")


def is_paper(case: Case) -> bool:
    """One environment, one update for each of its steps, in the panel's memory."""
    return is_plain(case) and case.environments == 1 and case.capacity == CAPACITY


def aims(good: Measured, peak: Peak | None) -> list[Row]:
    """Every aim in every environment where it was measured, and whether it is met."""
    seconds = {
        (case.environment, case.members): row["seconds"]
        for case, row in good.items()
        if is_paper(case) and case.network == "mlp"
    }
    rows = []
    for environment in dict.fromkeys(environment for environment, _ in seconds):
        full = seconds.get((environment, 80))
        ten, one = seconds.get((environment, 10)), seconds.get((environment, 1))
        found: list[tuple[str, float, float]] = []
        if full:
            found.append(("80 members, ms per step of all", POPULATION_MS, full * 1e3))
        if ten and one:
            found.append(("ten seeds to one", TEN_SEEDS, ten / one))
        if full and peak:
            case, row = next(
                (case, row)
                for case, row in good.items()
                if is_paper(case) and (case.environment, case.members) == (environment, 80)
            )
            floor = floors(Work(**row["counted"]), peak, case.precision).higher
            found.append(("80 members, times the floor", FLOOR, full / floor))
        rows += [
            {
                "environment": environment,
                "what": what,
                "aim at most": aim,
                "found": value,
                "met": "yes" if value <= aim else "no",
            }
            for what, aim, value in found
        ]
        if ten and full:
            rows.append(panel_row(environment, ten, full))
    return rows


def panel_row(environment: str, ten: float, full: float) -> Row:
    """The paper's study without evaluations: 10 seeds, 8 levels, int8 after float32.

    Dense at ten members for 0.2 of a million steps, then 80 members for 0.8 and, quantized (taken
    to cost the same), for another 0.2.
    """
    minutes = 1e6 * (0.2 * ten + 1.0 * full) / 60
    return {
        "environment": environment,
        "what": "the study of 80 million steps and int8, minutes",
        "aim at most": 60.0,
        "found": minutes,
        "met": "yes" if minutes <= 60 else "no",
    }


def words(case: Case) -> Row:
    """What is trained."""
    return {
        "environment": case.environment,
        "network": case.network,
        "members": case.members,
        "environments": case.environments,
        "memory": case.capacity,
    }


def roofline(good: Measured, peak: Peak | None) -> list[Row]:
    """Time and both floors of an environment step; beside them what XLA says that it moves."""
    rows = []
    for case, row in good.items():
        if not is_plain(case):
            continue
        ours, theirs = Work(**row["counted"]), Work(**row["reported"])
        made = {
            **words(case),
            "times the floor": float("nan"),
            "ms": row["seconds"] * 1e3,
            "slowest": row["slowest"] * 1e3,
            "member-steps/s": case.members * case.environments / row["seconds"],
            "updates/s": case.members
            * case.gradient_steps
            / (row["seconds"] * row.get("frequency", 1)),
            "floor of operations, ms": float("nan"),
            "floor of bytes, ms": float("nan"),
            "XLA's bytes at full bandwidth, ms": float("nan"),
        }
        if peak:
            both = floors(ours, peak)
            made["times the floor"] = row["seconds"] / both.higher
            made["floor of operations, ms"] = both.operations * 1e3
            made["floor of bytes, ms"] = both.bytes * 1e3
            made["XLA's bytes at full bandwidth, ms"] = floors(theirs, peak).bytes * 1e3
        rows.append(made)
    return sorted(rows, key=lambda row: [row[name] for name in words(Case(""))])


def work(good: Measured) -> list[Row]:
    """Operations and bytes of an environment step, by our count and by XLA's; and memory."""
    rows = []
    for case, row in good.items():
        if not is_plain(case):
            continue
        ours, theirs = Work(**row["counted"]), Work(**row["reported"])
        rows.append(
            {
                **words(case),
                "XLA's operations, times ours": theirs.operations / ours.operations,
                "XLA's bytes, times ours": theirs.bytes / ours.bytes,
                "GFLOP": ours.operations / 1e9,
                "MB": ours.bytes / 1e6,
                "state GB": row["state bytes"] / 1e9,
                "temporary GB": row["temporary bytes"] / 1e9,
                "peak GB": (row["peak bytes"] or float("nan")) / 1e9,
                "compile s": row["compile seconds"],
            }
        )
    return rows


def variants(good: Measured) -> list[Row]:
    """Other precisions and flags, beside the same training without them."""
    rows = []
    for case, row in good.items():
        plain = good.get(case._replace(precision="float32", buffers="default"))
        if case.kind != "training" or is_plain(case) or plain is None:
            continue
        rows.append(
            {
                **words(case),
                "precision": case.precision,
                "command buffers": case.buffers,
                "against default": row["seconds"] / plain["seconds"],
                "ms": row["seconds"] * 1e3,
                "default ms": plain["seconds"] * 1e3,
                "compile s": row["compile seconds"],
                "default compile s": plain["compile seconds"],
            }
        )
    return rows


def environments(good: Measured) -> list[Row]:
    """Random actions alone, and their share of training."""
    rows = []
    for case, row in good.items():
        if case.kind != "environment":
            continue
        whole = next(
            (
                other["seconds"]
                for trained, other in good.items()
                if is_paper(trained)
                and (trained.environment, trained.members) == (case.environment, case.members)
            ),
            float("nan"),
        )
        rows.append(
            {
                "environment": case.environment,
                "batch": case.members,
                "share of training": row["seconds"] / whole,
                "ms": row["seconds"] * 1e3,
                "steps/s": case.members / row["seconds"],
                "compile s": row["compile seconds"],
            }
        )
    return rows


def convolutions(good: Measured) -> list[Row]:
    """Every formulation against the first."""
    return [
        {
            "network": case.network,
            "members": case.members,
            "formulation": each["formulation"],
            "update against patches": each["update seconds"]
            / row["formulations"][0]["update seconds"],
            "update ms": each["update seconds"] * 1e3,
            "acting us": each["acting seconds"] * 1e6,
            "compile s": each["compile seconds"],
        }
        for case, row in good.items()
        if case.kind == "convolution"
        for each in row["formulations"]
    ]


def peaks(good: Measured, device_kind: str) -> list[Row]:
    """What the device is said to reach, and what a large product and a large copy reach."""
    found = [Peak(**row["peak"]) for case, row in good.items() if case.kind == "peak"]
    said = data_sheet(device_kind)
    return [
        {
            "source": peak.source,
            "float32 TFLOP/s": peak.float32 / 1e12,
            "tf32 TFLOP/s": peak.tf32 / 1e12,
            "bf16 TFLOP/s": peak.bf16 / 1e12,
            "GB/s": peak.bandwidth / 1e9,
        }
        for peak in ([said] if said else []) + found
    ]


def markdown(title: str, made: Sequence[Mapping[str, Any]], footer: str) -> str:
    """One page of all tables."""
    parts = [f"# {title}"]
    for table in made:
        rows = table["rows"]
        lines = [list(rows[0]), [_side(value) for value in rows[0].values()]]
        lines += [[_text(value) for value in row.values()] for row in rows]
        parts.append(f"## {table['title']}")
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join([*parts, footer]) + "\n"


def _side(value: Any) -> str:
    return "---:" if isinstance(value, int | float) else ":---"


def _text(value: Any) -> str:
    if not isinstance(value, int | float):
        return str(value).replace("|", "\\|")
    if not math.isfinite(value):
        return ""
    return in_figures(value, 3)
