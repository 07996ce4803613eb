"""Actors and worlds as a page's script has them, asked from Python."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_rl.artifact import wasm
from sparse_rl.play.page import SCRIPTS
from tests.browser import Browser

_DECODED = "Uint8Array.from(atob({}), (c) => c.charCodeAt(0)).buffer"
_PLAYED = """(async () => {{
  const level = {level}, actor = await actorOf(level, {places});
  const every = new {kind}({observations});
  const actions = [], outputs = [];
  for (let at = 0; at < every.length; at += level.inputs) {{
    actor.observation.set(every.subarray(at, at + level.inputs));
    actor.act();
    actions.push(...actor.action);
    outputs.push(...actor.outputsNow());
  }}
  return {{ actions, outputs }};
}})()"""


def acted(browser: Browser, level: str, observations: NDArray) -> tuple[NDArray, NDArray]:
    """Actions and last outputs [n, ...] of the level that an expression of the script names."""
    floats = observations.dtype == np.float32
    data = np.ascontiguousarray(observations, np.float32 if floats else np.uint8).tobytes()
    found = browser.ask(
        _PLAYED.format(
            level=level,
            places=wasm.PLACES,
            kind="Float32Array" if floats else "Uint8Array",
            observations=_DECODED.format(json.dumps(base64.b64encode(data).decode())),
        )
    )
    actions = np.array(found["actions"], np.float32).reshape(len(observations), -1)
    outputs = np.array(found["outputs"], np.float32).reshape(len(observations), -1)
    return actions, outputs


def blank(*names: str) -> str:
    """A page with these scripts of the real one and nothing else."""
    assert set(names) <= set(SCRIPTS)
    from sparse_rl.play import page

    texts = [(page.SCRIPT / f"{name}.js").read_text() for name in SCRIPTS if name in names]
    return f"<!doctype html><script>{''.join(texts)}</script>"


def ask_many(browser: Browser, function: str, values: list[Any]) -> list[Any]:
    """A function of the script's language, applied to each of many values."""
    return list(browser.ask(f"{json.dumps(values)}.map({function})"))
