"""The serving process: imports one candidate, creates its tables and indexes, and serves it with uvicorn.

The fork server (`forkserver.py`) starts it. The spawn request names the candidate and the sockets.
"""

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from sqlalchemy import create_engine
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from evaluation.serving.null_server import null_app

if TYPE_CHECKING:
    from evaluation.serving.probe import Probe
    from evaluation.serving.spawn_request import SpawnRequest

ROOT = Path(__file__).parents[2]
PACKAGE = "candidate"
UVICORN = ("uvicorn.error", "uvicorn.access", "uvicorn.asgi")
"""Loggers that a candidate may use: they pass on to the root logger, uvicorn leaves their levels alone."""


def main(request: "SpawnRequest", confine: Callable[[], None]) -> None:
    """Serve until a signal stops it; report over the control socket whether the candidate was loaded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--without-probe", action="store_true", help="do not install the probe")
    parser.add_argument(
        "--null", type=int, metavar="BYTES", help="serve this many bytes instead of a candidate"
    )
    options = parser.parse_args(request.options)
    control = socket.socket(fileno=request.control)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    for name in ("httpx", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in UVICORN:
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        confine()
        probe = None if options.without_probe or options.null is not None else install_probe()
        app = load(Path(request.directory), probe) if options.null is None else null_app(options.null)
    except BaseException as error:
        missing = missing_package(error, Path(request.directory))
        send(control, {"failed": f"{missing}{traceback.format_exc()}"})
        raise SystemExit(1) from None
    send(control, {"loaded": True})
    if probe is not None:
        probe.listen(control)
    serve(app, socket.socket(fileno=request.listener))


def missing_package(error: BaseException, directory: Path) -> str:
    """Which package is not installed, and which are, when that is why the candidate cannot be imported."""
    name = str(getattr(error, "name", None) or "").partition(".")[0]
    is_own = name == PACKAGE or any(path.stem == name for path in directory.iterdir())
    if not isinstance(error, ModuleNotFoundError) or is_own:
        return ""
    found = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
    installed = ", ".join(f"{package} {version}" for package, version in sorted(found.items()))
    return f"the package {name} is not installed on this machine; installed are {installed}\n"


def install_probe() -> "Probe":
    """A new probe; it is imported here, so that a process without a probe holds no trace of one."""
    from evaluation.serving.probe import Probe

    return Probe()


def load(directory: Path, probe: "Probe | None") -> Any:
    """Import the candidate and create its tables and indexes; return its ASGI application."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, directory / "__init__.py", submodule_search_locations=[str(directory)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    # A candidate imports itself and installed packages, and nothing of this repository.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
    spec.loader.exec_module(package)
    app = importlib.import_module(f"{PACKAGE}.main").app
    database = importlib.import_module(f"{PACKAGE}.database")
    if probe is not None:
        probe.engine = database.engine
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
    creator = create_engine(url)
    database.Base.metadata.create_all(creator)
    for table in database.Base.metadata.sorted_tables:
        for index in table.indexes:
            index.create(creator, checkfirst=True)
    creator.dispose()
    return app


class QuietProtocol(HttpToolsProtocol):
    """HTTP without access lines by uvicorn; its own switch for them would silence the logger for all."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.access_log = False


def serve(app: Any, listener: socket.socket) -> None:
    """Serve with uvicorn on uvloop and httptools; the settings are the same for every candidate."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=QuietProtocol,
        backlog=2048,
        timeout_keep_alive=75,
        log_config=None,
        log_level=None,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])


def send(control: socket.socket, message: dict[str, Any]) -> None:
    """Send one line to the harness."""
    control.sendall(json.dumps(message).encode() + b"\n")
