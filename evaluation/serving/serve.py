"""The worker: imports one candidate, creates its tables and indexes, and serves it.

The forkserver (`forkserver.py`) starts it. The spawn request names the candidate and the sockets.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine

from evaluation.serving import asgi_server
from evaluation.serving.asgi_server import PACKAGE
from evaluation.serving.null_server import null_app

if TYPE_CHECKING:
    from evaluation.serving.probe import Probe
    from evaluation.serving.spawn_request import SpawnRequest

ROOT = Path(__file__).parents[2]


def main(request: "SpawnRequest", confine: Callable[[], None]) -> None:
    """Serve until a signal stops it; report over the control socket whether the candidate was loaded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--without-probe", action="store_true", help="do not install the probe")
    parser.add_argument(
        "--as-in-production",
        action="store_true",
        help="start Python anew and serve there, on tables that an earlier process has created",
    )
    parser.add_argument(
        "--null", type=int, metavar="BYTES", help="serve this many bytes instead of a candidate"
    )
    options = parser.parse_args(request.options)
    control = socket.socket(fileno=request.control)
    asgi_server.log_to_stderr()
    try:
        confine()
        if options.as_in_production:
            send(control, {"loaded": True})
            start_anew(request)
        probe = None if options.without_probe or options.null is not None else install_probe()
        app = load(Path(request.directory), probe) if options.null is None else null_app(options.null)
    except BaseException as error:
        missing = missing_package(error, Path(request.directory))
        send(control, {"failed": f"{missing}{traceback.format_exc()}"})
        raise SystemExit(1) from None
    send(control, {"loaded": True})
    if probe is not None:
        probe.listen(control)
    asgi_server.serve(app, socket.socket(fileno=request.listener))


def start_anew(request: "SpawnRequest") -> None:
    """Become a new Python process that serves the candidate and holds no trace of the harness."""
    program = Path(asgi_server.__file__).read_text()
    os.set_inheritable(request.listener, True)
    os.set_inheritable(request.control, False)
    arguments = [sys.executable, "-P", "-c", program, request.directory, str(request.listener)]
    os.execv(sys.executable, arguments)


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
    # A candidate imports itself and installed packages, and nothing of this repository.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
    app = asgi_server.imported(directory)
    database = importlib.import_module(f"{PACKAGE}.database")
    if probe is not None:
        probe.engine = database.engine
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://", 1)
    creator = create_engine(url)
    database.Base.metadata.create_all(creator)
    for table in database.Base.metadata.sorted_tables:
        for index in table.indexes:
            index.create(creator, checkfirst=True)
    creator.dispose()
    return app


def send(control: socket.socket, message: dict[str, Any]) -> None:
    """Send one line to the harness."""
    control.sendall(json.dumps(message).encode() + b"\n")
