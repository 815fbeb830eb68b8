"""A headless Chromium that shows a file, driven by its DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
DEADLINE_S = 60.0


def chromium() -> str | None:
    """The program; None where it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page of the browser; `complaints` are what it has said of errors so far."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.sent = 0
        self.loaded = False
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self.sent += 1
        self.connection.send(json.dumps({"id": self.sent, "method": method, "params": parameters}))
        while True:
            told = self.hear()
            if told.get("id") == self.sent:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result

    def hear(self) -> dict[str, Any]:
        """The next message; what it says of errors and requests is kept."""
        told: dict[str, Any] = json.loads(self.connection.recv(timeout=DEADLINE_S))
        match told.get("method"), told.get("params", {}):
            case "Page.loadEventFired", _:
                self.loaded = True
            case "Log.entryAdded", {"entry": {"level": "error" | "warning", "text": text}}:
                self.complaints.append(text)
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled", said:
                self.complaints.append(json.dumps(said))
            case "Network.requestWillBeSent", {"request": {"url": url}}:
                self.requests.append(url)
        return told

    def show(
        self,
        path: Path,
        *,
        width: int = 1280,
        height: int = 800,
        scheme: str = "light",
        with_javascript: bool = True,
    ) -> None:
        """Load a file, and wait until that is done."""
        for domain in ("Page", "Log", "Runtime", "Network"):
            self.ask(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        self.ask("Emulation.setScriptExecutionDisabled", value=not with_javascript)
        self.colour(scheme)
        self.loaded = False
        self.ask("Page.navigate", url=path.as_uri())
        while not self.loaded:
            self.hear()

    def colour(self, scheme: str, media: str = "screen") -> None:
        """Show the page as for this scheme (light, dark) and medium (screen, print)."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, which the browser's own tools compute also where scripts are off."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Save what is seen, or the whole page, as PNG."""
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=whole, **self.clip(whole))
        path.write_bytes(base64.b64decode(found["data"]))

    def clip(self, whole: bool) -> dict[str, Any]:
        """The part of the page to save."""
        if not whole:
            return {}
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {**size, "scale": 1}}

    def pdf(self, path: Path) -> None:
        """Print the page to a file."""
        self.colour("light", "print")
        found = self.ask("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def opened(program: str, folder: Path) -> Iterator[Page]:
    """Run a browser with a profile of its own in the folder, and yield an empty page."""
    command = [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with connect(address_of_page(folder, process), max_size=None, proxy=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()


def address_of_page(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the browser's first page listens; the browser writes its port to a file."""
    port, browser = read_when_written(folder / "DevToolsActivePort", process).split()
    with connect(f"ws://127.0.0.1:{port}{browser}", max_size=None, proxy=None) as connection:
        targets = Page(connection).ask("Target.getTargets")["targetInfos"]
    [page] = [one["targetId"] for one in targets if one["type"] == "page"]
    return f"ws://127.0.0.1:{port}/devtools/page/{page}"


def read_when_written(path: Path, process: subprocess.Popen[bytes]) -> str:
    """The text of a file that another process is about to write."""
    deadline = time.monotonic() + DEADLINE_S
    while not path.exists() or len(path.read_text().split()) < 2:
        assert time.monotonic() < deadline, "the browser did not start"
        assert process.poll() is None, "the browser ended"
        time.sleep(0.05)
    return path.read_text()
