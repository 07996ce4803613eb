"""From a name to an environment: ``suite/id?option=value&option=value``."""

import contextlib
import difflib
import io
from functools import cache
from typing import Any

from sparse_rl import extras, registry
from sparse_rl.environment_name import taken_apart
from sparse_rl.envs.options import Options
from sparse_rl.envs.vector_env import VectorEnv
from sparse_rl.registry import SUITES


@cache
def make(name: str, evaluation: bool = False) -> VectorEnv:
    """Builds the environment with the given name.

    Args:
        name: ``suite/id`` with options behind a question mark, such as
            ``brax/hopper?backend=spring``.
        evaluation: the variant for evaluating a policy. It differs from the training variant
            only where training alters the task itself (Atari: lives and clipped rewards).

    Returns:
        A `VectorEnv`; the same one for the same arguments, so that jitted functions which close
        over it are compiled once.

    Raises:
        ValueError: one line, if the suite, the id or an option is unknown, or if the suite needs
            an extra that is not installed.
    """
    registry.load()
    suite, identifier, _ = taken_apart(name)
    path, _, _ = name.partition("?")
    if "/" not in path or suite not in SUITES:
        suites = ", ".join(SUITES.names())
        near = _suggest(path, _all_names())
        raise ValueError(f"environment {name!r} is unknown: {near} (suites: {suites})")
    module = _module(suite, name)
    known = _names(suite, module)
    # A suite may know more than it can list: Gymnasium's has packages that register theirs late.
    is_outside = getattr(module, "is_outside", None)
    if path not in known and not (is_outside and is_outside(identifier)):
        hint = getattr(module, "hint", lambda _: "")(identifier)
        raise ValueError(f"environment {name!r} is unknown: {_suggest(path, known)}{hint}")
    env: VectorEnv = module.make(name, identifier, Options(name), evaluation)
    return env


def _module(suite: str, name: str) -> Any:
    try:
        # MuJoCo's JAX physics, which brax imports, prints two lines about an optional backend.
        with contextlib.redirect_stdout(io.StringIO()):
            return SUITES.implementation(suite)
    except ModuleNotFoundError as error:
        line = extras.missing(error) or f"{error.name} is not installed"
        raise ValueError(f"environment {name!r}: {line}") from error


def _names(suite: str, module: Any) -> list[str]:
    return [f"{suite}/{identifier}" for identifier in module.names(suite)]


def _all_names() -> list[str]:
    found = []
    for suite in SUITES.names():
        try:
            found += _names(suite, _module(suite, suite))
        except ValueError:
            continue  # an extra that is not installed has no near matches to offer
    return found


def _suggest(path: str, known: list[str]) -> str:
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(path.lower(), lower, n=3, cutoff=0.5)
    last = path.rpartition("/")[2].lower()
    near += [name for name in lower if last and last in name and name not in near][:3]
    if near:
        return "did you mean " + ", ".join(lower[name] for name in near[:4]) + "?"
    return "no name is near; known: " + ", ".join(known[:12]) + ("..." if len(known) > 12 else "")


def complaints(name: str) -> list[str]:
    """What the suite's own checker has to say of an environment that `make` makes."""
    module = _module(taken_apart(name).suite, name)
    found: list[str] = getattr(module, "complaints", lambda _: [])(name)
    return found
