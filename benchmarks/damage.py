"""Mutated command lines and damaged run directories: what every command makes of them.

    python -m benchmarks.damage [--commands 2000] [--runs 500] [--seed 0] [--seconds 60]

A case passes where it ends with status 0, 2, 130 or 143 without a traceback, and where what it says
beside status 2 is one line; and where a damaged run can be exported, if that gives the very file
that the whole run gives, with the return that it claims. What takes longer than `--seconds` is
interrupted as by Ctrl-C. With `--runs 0` no policy is trained: the command lines name those of
results/. A damaged run takes ten seconds of processor time; several processes with a seed each do
as well as one. They find no compiler there, which would only measure how quick the actors are.
"""

import argparse
import collections
import contextlib
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sparse_rl import __main__ as program
from sparse_rl.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
ACTOR = str(ROOT / "results" / "pendulum" / "policies" / "0.9-int8.srl")
TINY = (
    "probe/termination?actions=continuous --seeds 2 --network.hidden 8 --replay.capacity 100 "
    "--replay.batch_size 4 --training.steps 200 --training.learning_starts 20 --sparsity.levels 0 "
    "0.5 --sparsity.interval 20 --evaluation.every 100 --evaluation.episodes 2 "
    "--evaluation.final_episodes 4 --checkpoint.every 0"
)
ODD = ["", " ", "-1", "0", "1e99", "nan", "inf", "true", "[", "{}", "0 0.9", "a\nb", "\x1b[1m"]
ODD += ["9" * 400, "\u0663", "x" * 5000, "--", "-", "--help", ".", "..", "/dev/null", "none/such"]
ALLOWED = (0, 2, 130, 143)
LEFT_OUT = ": left out: "
"""In a line on one of several runs, beside which others are reported."""
LOADED = [module for module, _ in COMMANDS.values()]
LOADED += ["sparse_rl.study.description", "sparse_rl.report.page", "sparse_rl.render.comparison"]


class Outcome(NamedTuple):
    """How a case ended, and what is wrong with that; empty if nothing is."""

    status: int
    wrong: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--commands", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    # Small programs, too: most of a case's time would be compiling them again.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    for module in LOADED:
        importlib.import_module(module)
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        sandbox = Path(name)
        if options.commands:
            lines = (mutated(words, draw) for words in base_lines(draw, options.commands))
            bad += told("command lines", run_all(lines, sandbox, options.seconds))
        if options.runs:
            os.environ["PATH"] = ""
            bad += told("damaged runs", damaged_runs(sandbox, draw, options.runs, options.seconds))
    raise SystemExit(int(bad > 0))


def base_lines(draw: random.Random, count: int) -> Iterator[list[str]]:
    """Lines that would pass, of every command."""
    configs = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
    for _ in range(count):
        train = ["train", draw.choice(configs), "--seeds", "2", "--sparsity.levels", "0", "0.9"]
        train += ["--agent.discount", "0.9", "--quantization.modes", "int8", "--first_seed", "3"]
        yield draw.choice(
            [
                train,
                train,
                ["evaluate", ACTOR, "--env", "gymnax/Pendulum-v1", "--episodes", "1"],
                ["export", "runs/none", "--arm", "0.9-int8", "--seed", "best", "--out", "actor"],
                ["report", str(ROOT / "results" / "pendulum"), "--out", "page", "--margin", "5"],
                ["render", ACTOR, "--out", "film.gif", "--seed", "1"],
                ["inspect", ACTOR, "--json"],
                ["check", "gymnax/Pendulum-v1?time_limit=5", "--episodes", "1", "--seed", "2"],
                ["compress", ACTOR, "--levels", "0.9", "--methods", "prune", "--out", "small"],
                ["play", ACTOR, "--out", "live.html", "--arm", "0"],
                ["train", damaged_configuration(draw, draw.choice(configs))],
            ]
        )


def damaged_configuration(draw: random.Random, name: str) -> str:
    """A YAML file with one to three of its letters or lines changed; where it lies."""
    text = (ROOT / "configs" / f"{name}.yaml").read_text()
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(text) or 1)
        lines = text.splitlines(keepends=True)
        kind = draw.randrange(4)
        if kind == 0:
            text = text[:at] + draw.choice("xz-.=?0/:\u00e9{}[]&*!|>%@\t\x00") + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + draw.choice(ODD) + text[at:]
        elif kind == 2 and lines:
            del lines[draw.randrange(len(lines))]
            text = "".join(lines)
        elif lines:
            text += draw.choice(lines)
    file = Path(tempfile.gettempdir()) / f"damaged-{os.getpid()}.yaml"
    file.write_text(text)
    return str(file)


def mutated(words: Sequence[str], draw: random.Random) -> list[str]:
    """One to three words dropped, doubled, swapped, cut, misspelled or replaced."""
    command, *rest = words
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(rest)) if rest else 0
        kind = draw.randrange(6)
        if not rest or kind == 0:
            rest.insert(at, draw.choice(ODD))
        elif kind == 1:
            del rest[at]
        elif kind == 2:
            rest.insert(at, rest[at])
        elif kind == 3:
            other = draw.randrange(len(rest))
            rest[at], rest[other] = rest[other], rest[at]
        elif kind == 4:
            place = draw.randrange(len(rest[at]) + 1)
            rest[at] = rest[at][:place] + draw.choice("xz-.=?0/:\u00e9") + rest[at][place + 1 :]
        else:
            rest[at] = draw.choice(ODD)
    return [command, *rest, *(["--dry-run"] if command == "train" else [])]


def damaged_runs(sandbox: Path, draw: random.Random, count: int, seconds: float) -> list[Outcome]:
    """A run with one file damaged, through export, report, render and --resume."""
    whole = sandbox / "whole"
    first = run_one(["train", "--environment", *TINY.split(), "--out", str(whole)], sandbox, 600)
    if first.wrong or first.status:
        raise SystemExit(f"the run to be damaged: status {first.status} {first.wrong}")
    export = ["export", "whole", "--arm", "0.5-int8", "--format", "packed", "--out", "first"]
    if (done := run_one(export, sandbox, 600)).status:
        raise SystemExit(f"its export: status {done.status} {done.wrong}")
    actor = (sandbox / "first" / "actor.srl").read_bytes()
    files = sorted(path for path in whole.rglob("*") if path.is_file())
    found = []
    for number in range(count):
        if number and number % 10 == 0:
            print(f"{number} runs so far", flush=True)
        copy = sandbox / "run"
        for folder in (copy, sandbox / "actor", sandbox / "small"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, copy)
        damaged = draw.choice(files).relative_to(whole)
        damage(copy / damaged, draw)
        lines = [
            ["export", "run", "--arm", "0.5-int8", "--format", "packed", "--out", "actor"],
            ["report", "run"],
            ["render", "run", "--out", "film.gif"],
            ["compress", "run", "--levels", "0.9", "--methods", "prune", "--out", "small"],
            ["train", "--resume", "run"],
        ]
        outcomes = run_all(iter(lines), sandbox, seconds)
        given = sandbox / "actor" / "actor.srl"
        if given.is_file() and given.read_bytes() != actor:
            print(f"{damaged}: exported as another actor")
            outcomes[0] = outcomes[0]._replace(wrong="another actor")
        found += outcomes
    return found


def damage(file: Path, draw: random.Random) -> None:
    """Cut, emptied, zeroed, flipped, filled with noise, removed, or a folder in its place."""
    content = bytearray(file.read_bytes())
    size = len(content)
    at = draw.randrange(size + 1)
    kind = draw.randrange(7)
    if kind == 0:
        content = content[:at]
    elif kind == 1:
        content = bytearray()
    elif kind == 2:
        content[at : at + 400] = bytes(len(content[at : at + 400]))
    elif kind == 3 and at < size:
        content[at] ^= 1 << draw.randrange(8)
    elif kind == 4:
        content = bytearray(draw.randbytes(size))
    file.unlink()
    if kind == 6:
        file.mkdir()
    elif kind != 5:
        file.write_bytes(content)


def run_all(lines: Iterator[list[str]], sandbox: Path, seconds: float) -> list[Outcome]:
    found = []
    for words in lines:
        outcome = run_one(words, sandbox, seconds)
        if outcome.wrong:
            print(f"{words!r}: status {outcome.status}: {outcome.wrong}", flush=True)
        found.append(outcome)
        if len(found) % 100 == 0:
            print(f"{len(found)} so far", flush=True)
    return found


def run_one(words: Sequence[str], sandbox: Path, seconds: float) -> Outcome:
    """One command in a process of its own, which has everything imported already."""
    said = sandbox / "said"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(sandbox)
            with said.open("wb") as file, open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(file.fileno(), 2)
            try:
                program.main(list(words))
                status = 0
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(status)
    deadline = time.monotonic() + seconds
    while True:
        done, raw = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGINT)
            deadline += 10
        time.sleep(0.005)
    status = os.waitstatus_to_exitcode(raw)
    text = said.read_text(errors="replace")
    return Outcome(status, _wrong(status, text))


def _wrong(status: int, text: str) -> str:
    if "Traceback" in text and status != -signal.SIGINT:
        return text.strip().splitlines()[-1][:200]
    if status not in (*ALLOWED, -signal.SIGINT):
        return "status"
    lines = [line for line in text.splitlines() if line.strip() and LEFT_OUT not in line]
    if status == 2 and (len(lines) != 1 or not lines[0].startswith("error: ")):
        return f"{len(lines)} lines: {lines[:2]}"
    return ""


def told(what: str, outcomes: Sequence[Outcome]) -> int:
    """Prints how many ended in which way; the number of those that are wrong."""
    counts = collections.Counter(outcome.status for outcome in outcomes)
    bad = sum(bool(outcome.wrong) for outcome in outcomes)
    ways = ", ".join(f"{count} with status {status}" for status, count in sorted(counts.items()))
    print(f"{len(outcomes)} {what}: {ways}; {bad} wrong")
    return bad


if __name__ == "__main__":
    main()
