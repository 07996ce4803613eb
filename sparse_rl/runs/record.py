"""run.json and variants.json: what a run directory says of itself."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparse_rl.runs.layout import FORMAT, RECORD, VARIANTS
from sparse_rl.runs.variant import Variant


@dataclass(frozen=True)
class Span:
    """One phase of a study: the steps [begin, end) of each of its members.

    `method` is the sparsity method of its members, empty where all methods share them.
    """

    name: str
    begin: int
    end: int
    members: int
    method: str = ""

    @property
    def member_steps(self) -> int:
        """Environment steps of all members together."""
        return (self.end - self.begin) * self.members


@dataclass(frozen=True)
class Record:
    """The phases in order, and the SHA-256 of each file in policies/ by its name."""

    phases: tuple[Span, ...] = ()
    policies: Mapping[str, str] = field(default_factory=dict)

    def with_policy(self, name: str, content: bytes) -> Record:
        """The record after a policy file with this content was written."""
        return dataclasses.replace(self, policies={**self.policies, name: digest(content)})

    def to_json(self) -> str:
        """The content of run.json."""
        values = {
            "format": FORMAT,
            "phases": [dataclasses.asdict(phase) for phase in self.phases],
            "policies": dict(self.policies),
        }
        return json.dumps(values, indent=1) + "\n"


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def format_of(run: Path) -> int:
    """The version of a run directory's format: 1 where it does not say.

    Raises ValueError, one line, where it is newer than this program, or run.json is damaged.
    """
    if not (run / RECORD).exists() and not (run / VARIANTS).exists():
        return 1
    return int(_values(run / RECORD)["format"])


def read_record(run: Path) -> Record:
    """run.json. Raises ValueError, one line that names the file."""
    file = run / RECORD
    values = _values(file)
    try:
        phases = tuple(Span(**phase) for phase in values["phases"])
        policies = {str(name): str(value) for name, value in values["policies"].items()}
        if not all(
            isinstance(phase.name, str)
            and isinstance(phase.method, str)
            and all(type(n) is int for n in (phase.begin, phase.end, phase.members))
            for phase in phases
        ):
            raise ValueError("phases")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{file}: damaged: {error}; allowed: as training wrote it") from None
    return Record(phases, policies)


def variants_json(variants: Iterable[Variant]) -> str:
    """The content of variants.json. Raises ValueError where two variants have the same name."""
    records: dict[str, Any] = {}
    for variant in dict.fromkeys(variants):
        if variant.name in records:
            raise ValueError(f"variant {variant.name}: two of that name; allowed: one")
        records[variant.name] = variant.to_mapping()
    return json.dumps(records, indent=1) + "\n"


def read_variants(run: Path) -> dict[str, Variant]:
    """variants.json: name to record. Raises ValueError, one line that names the file."""
    file = run / VARIANTS
    values = read_json(file)
    found = {}
    for name, record in values.items():
        try:
            found[name] = Variant.from_mapping(record)
        except ValueError as error:
            raise ValueError(f"{file}: {name}: {error}") from None
    return found


def read_json(file: Path) -> dict[str, Any]:
    """An object in a JSON file. Raises ValueError, one line that names the file."""
    try:
        values = json.loads(file.read_text())
    except FileNotFoundError:
        raise ValueError(f"{file}: missing; allowed: as training wrote it") from None
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not JSON: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{file}: found {type(values).__name__}; allowed: an object")
    return values


def _values(file: Path) -> dict[str, Any]:
    values = read_json(file)
    version = values.get("format")
    if type(version) is not int or version < FORMAT:
        raise ValueError(f"{file}: format: found {version!r}; allowed: {FORMAT}")
    if version > FORMAT:
        raise ValueError(
            f"{file}: written by a newer version of sparse_rl (format {version}); "
            f"allowed: up to format {FORMAT}"
        )
    return values
