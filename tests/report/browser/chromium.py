"""A real browser for tests: Chromium without a window, spoken to through a pipe, no driver."""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 60.0  # seconds without a word from the browser
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-default-browser-check",
)  # fmt: skip


def found() -> str | None:
    """Return the path of a Chromium of this machine; None where there is none to talk to."""
    if os.name == "nt":  # pipes are handed over otherwise there
        return None
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page, by the DevTools protocol: what is said about it is kept in ``complaints``."""

    def __init__(self, into: int, out_of: int) -> None:
        self.complaints: list[str] = []
        self._into, self._out_of, self._rest = into, out_of, b""
        self._numbers, self._events = itertools.count(1), []
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(
        self, page: Path, *, width: int = 1280, dark: bool = False, script: bool = True
    ) -> None:
        """Load a page of the disk, at a width, on light or dark, with scripts or without."""
        self.complaints.clear()
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        self._events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def run(self, code: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def mouse(self, kind: str, x: float, y: float, clicks: int = 0) -> None:
        """Move, press or release: ``kind`` is "Moved", "Pressed" or "Released"."""
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, clickCount=clicks,
                  button="left" if clicks else "none", buttons=int(kind == "Pressed"))  # fmt: skip

    def key(self, name: str) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def picture(
        self, target: Path, *, whole: bool = True, clip: dict[str, float] | None = None
    ) -> None:
        """Write a PNG of the page."""
        options: dict[str, Any] = {"captureBeyondViewport": whole}
        if clip is not None:
            options["clip"] = clip | {"scale": 1}
        target.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **options)["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def wait_for(self, event: str, **wanted: Any) -> None:
        """Wait for an event of that name, with these parameters, if it has not come yet."""
        while not any(
            each["method"] == event and wanted.items() <= each["params"].items()
            for each in self._events
        ):
            self._next()
        self._events.clear()

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._out_of], [], [], PATIENCE)[0], "the browser says nothing"
            part = os.read(self._out_of, 1 << 16)
            assert part, "the browser went away"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(line)
        if "method" in message:
            self._events.append(message)
            self._listen(message["method"], message["params"])
        return message

    def _listen(self, method: str, said: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(said["exceptionDetails"].get("text", "an exception"))
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning"):
            self.complaints.append(str(said["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(said["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = said["request"]["url"]
            if not url.startswith(("file:", "data:", "about:")):
                self.complaints.append(f"asked for {url}")


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """Give a tab of a fresh browser, which is closed with the context."""
    executable = found()
    assert executable is not None
    commands, into = os.pipe()
    out_of, answers = os.pipe()

    def wire() -> None:  # pragma: no cover - in the child
        first, second = os.dup(commands), os.dup(answers)
        os.dup2(first, 3)
        os.dup2(second, 4)

    process = subprocess.Popen(
        [executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        preexec_fn=wire, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(commands)
    os.close(answers)
    try:
        tab = Tab(into, out_of)
        yield tab
        with suppress(OSError, AssertionError):
            tab._session = None
            tab.call("Browser.close")
        process.wait(20)
    finally:
        process.kill()
        process.wait()
        os.close(into)
        os.close(out_of)
