"""Imports a candidate and serves it with uvicorn; the settings are the same for every candidate.

The worker does that beside the harness's own modules (`serve.py`). The text of this file is also a
program of its own, started as in production: in its process there is no module of the harness.
"""

import importlib
import importlib.util
import logging
import socket
import sys
from pathlib import Path
from random import choice
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PACKAGE = "candidate"
NAMES = ("app", "catalog", "product_catalog", "service")
FORMATS = (
    "%(asctime)s %(levelname)s %(name)s %(message)s",
    "%(asctime)s [%(levelname)s] %(message)s",
    "%(levelname)s:%(name)s:%(message)s",
)
"""A process as in production has one of these names and formats: not everybody runs a catalog as we do."""
UVICORN = ("uvicorn.error", "uvicorn.access", "uvicorn.asgi")
"""Loggers that a candidate may use: they pass on to the root logger, uvicorn leaves their levels alone."""


class QuietProtocol(HttpToolsProtocol):
    """HTTP without access lines by uvicorn; its own switch for them would silence the logger for all."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.access_log = False


def log_to_stderr(format: str = "%(levelname)s %(message)s") -> None:
    """Let what a candidate logs reach its log."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=format)
    for name in ("httpx", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in UVICORN:
        logging.getLogger(name).setLevel(logging.INFO)


def imported(directory: Path, name: str = PACKAGE) -> Any:
    """The ASGI application of a candidate, which is imported as a package of this name."""
    spec = importlib.util.spec_from_file_location(
        name, directory / "__init__.py", submodule_search_locations=[str(directory)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return importlib.import_module(f"{name}.main").app


def serve(app: Any, listener: socket.socket) -> None:
    """Serve until a signal stops it."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=QuietProtocol,
        backlog=2048,
        timeout_keep_alive=75,
        forwarded_allow_ips="127.0.0.0/8",
        log_config=None,
        log_level=None,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    log_to_stderr(choice(FORMATS))
    serve(imported(Path(sys.argv[1]), choice(NAMES)), socket.socket(fileno=int(sys.argv[2])))
