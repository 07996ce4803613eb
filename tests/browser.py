"""A headless Chromium that tests drive: open a page, ask its script, press keys, take pictures.

It speaks the DevTools protocol through two pipes (--remote-debugging-pipe), so that no package and
no port is needed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
_KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35}
_KEYS |= {"Tab": 9, " ": 32}


class Browser:
    """One page of one browser."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._number, self._rest = 0, b""
        self._session = ""
        self.errors: list[str] = []
        """What the page's script has thrown and nobody caught, and requests that it has made."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self._call(f"{domain}.enable")

    def look(self, width: int, height: int, dark: bool = False, still: bool = False) -> None:
        """The window's size, the colours and the motion that its user prefers."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        self._call("Emulation.setEmulatedMedia", features=features)

    def open(self, page: Path) -> None:
        """Loads a file, from the disk as a user would."""
        self._call("Page.navigate", url=page.resolve().as_uri())
        self.ask("new Promise((done) => document.readyState === 'complete' ? done() :"
                 " window.addEventListener('load', () => done()))")  # fmt: skip

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page, awaited; AssertionError where it throws."""
        found = self._call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """One key, down and up, as from a keyboard."""
        for kind in ("rawKeyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code="Space" if key == " " else key,
                windowsVirtualKeyCode=_KEYS[key],
            )

    def picture(self, file: Path, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        words = {"captureBeyondViewport": whole}
        data = self._call("Page.captureScreenshot", format="png", **words)["data"]
        file.write_bytes(base64.b64decode(data))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, found["error"]
                return dict(found["result"])
            if found.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(found["params"]["exceptionDetails"]))
            if found.get("method") == "Network.requestWillBeSent":
                address = found["params"]["request"]["url"]
                if not address.startswith(("file:", "data:")):
                    self.errors.append(f"asked for {address}")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._receive, 1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(text))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser for as long as the block lasts; skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    theirs_in, send = os.pipe()
    receive, theirs_out = os.pipe()
    words = [program, *_QUIET, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
    # The protocol's pipes are the descriptors 3 and 4.
    shell = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
    process = subprocess.Popen(
        ["bash", "-c", shell, *words],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(send, receive)
    finally:
        process.terminate()
        process.wait(timeout=30)
        os.close(send)
        os.close(receive)
