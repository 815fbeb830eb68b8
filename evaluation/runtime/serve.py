"""The serving process: imports one candidate, creates what it declares, and serves it with uvicorn.

Forked by `nursery.py`, which says what to serve, on which sockets.
"""

import argparse
import importlib
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

from evaluation.runtime.null import null_app

if TYPE_CHECKING:
    from evaluation.runtime.nursery import Order
    from evaluation.runtime.probe import Probe

PACKAGE = "candidate"


def main(order: "Order", confine: Callable[[], None]) -> None:
    """Serve until told to stop; say over the control socket how far it got."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--unwatched", action="store_true")
    parser.add_argument("--null", type=int, metavar="BYTES", help="serve so many ready bytes, no candidate")
    options = parser.parse_args(order.options)
    control = socket.socket(fileno=order.control)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    for chatty in ("httpx", "asyncio", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        confine()
        probe = None if options.unwatched or options.null is not None else watch()
        app = load(Path(order.directory), probe) if options.null is None else null_app(options.null)
    except BaseException:
        say(control, {"failed": traceback.format_exc()})
        raise SystemExit(1) from None
    say(control, {"loaded": True})
    if probe is not None:
        probe.listen(control)
    serve(app, socket.socket(fileno=order.listener))


def watch() -> "Probe":
    """Imported here, so that a process that is not watched has no trace of it."""
    from evaluation.runtime.probe import Probe

    return Probe()


def load(directory: Path, probe: "Probe | None") -> Any:
    """The candidate's ASGI application, its tables and indexes in place."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, directory / "__init__.py", submodule_search_locations=[str(directory)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
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


def serve(app: Any, listener: socket.socket) -> None:
    """uvicorn on uvloop and httptools, the same settings for every candidate."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        backlog=2048,
        timeout_keep_alive=75,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])


def say(control: socket.socket, message: dict[str, Any]) -> None:
    """One line to the harness."""
    control.sendall(json.dumps(message).encode() + b"\n")
