"""Headless Chromium for tests, driven by its DevTools protocol over a pipe: no driver, no port, no further package.

https://chromedevtools.github.io/devtools-protocol/ : ``--remote-debugging-pipe`` reads commands from file descriptor 3
and writes answers and events to 4, each a JSON text ended by a zero byte.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip
# Pages are put together without the graphics processor that software has to imitate: six times as fast.
SOFTWARE_WEBGL = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",
)
# What the browser says of its own way of putting a page together.
HINT = "GPU stall due to ReadPixels"
NO_WEBGL = ("--disable-3d-apis",)


def find_chromium():
    """Path of a Chromium, None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Page:
    """One page of a running browser, with everything that it said in its console."""

    def __init__(self, commands, answers):
        self._commands, self._answers, self._count, self._rest = commands, answers, 0, b""
        self.errors, self.requests = [], []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    _session = None

    def send(self, method, timeout_s=60, **parameters):
        """One command; returns its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self._note(answer)
        raise TimeoutError(method)

    def _read(self):
        while b"\0" not in self._rest:
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise ConnectionError("the browser has ended")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        method, values = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(
                values["exceptionDetails"].get("exception", {}).get("description", str(values))
            )
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in values["args"]))
        elif method == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            if HINT not in values["entry"]["text"]:
                self.errors.append(values["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])

    def open(self, path, width=1440, height=900):
        """Load a file and wait until it has."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.send("Page.navigate", url=Path(path).resolve().as_uri())
        self.run(
            "new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))"
        )

    def run(self, script, timeout_s=60):
        """Value of an expression; promises are awaited, exceptions raised."""
        answer = self.send(
            "Runtime.evaluate", timeout_s, expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def mouse(self, kind, x, y, **more):
        """A mouse event at a position of the window [CSS pixels]."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x, y):
        """Press and release the left button."""
        self.mouse("mouseMoved", x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def drawn(self):
        """Wait until everything has its size and is drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")

    def picture(self):
        """The window as PNG, with everything drawn that was asked for."""
        self.drawn()
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])


def text(page, identifier):
    """What an element of a page says, with a hyphen as minus."""
    return page.run(f"document.getElementById('{identifier}').textContent").replace("−", "-")


def value(page, identifier):
    """The number that an element begins with."""
    return float(text(page, identifier).split()[0])


def here(page):
    """The point that a viewer names [mm]."""
    return [float(p) for p in text(page, "position-here").split(",")]


@contextmanager
def browser(*options):
    """A page of a new browser that ends with the block."""
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    folder = tempfile.mkdtemp(prefix="y90voxel-browser-")

    def connect():
        # Both are free of 3 and 4 first, so that neither copy overwrites the other.
        low, high = os.dup2(to_browser, 1003), os.dup2(from_browser, 1004)
        os.dup2(low, 3)
        os.dup2(high, 4)

    process = subprocess.Popen(
        [find_chromium(), *OPTIONS, *options, f"--user-data-dir={folder}", "about:blank"],
        preexec_fn=connect,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        with os.fdopen(commands, "wb", buffering=0) as pipe:
            page = Page(pipe, answers)
            yield page
            with suppress(ConnectionError, TimeoutError, AssertionError):
                page._session = None
                page.send("Browser.close", 10)
    finally:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(answers)
        shutil.rmtree(folder, ignore_errors=True)
