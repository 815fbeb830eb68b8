"""A worker: `python -m evaluation.cluster.worker ADDRESS` grades on this machine for a Dask scheduler.

It grades one submission at a time, with this checkout and this Python, until the scheduler ends or somebody
stops it. What it was grading is then begun anew on another worker.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import dask
from distributed import Worker
from distributed.worker import DEFAULT_STARTUP_INFORMATION

from evaluation.cluster import alike
from evaluation.cluster.running import Gradings
from evaluation.errors import NO_VERDICT, RESOLVED, EvaluationError
from evaluation.machine.environment import cleaned
from evaluation.machine.room import make_room
from evaluation.parser import Parser
from evaluation.services.cleaner import Cleaner
from evaluation.serving import sandbox

FACTS = "hofaz9"
"""The name under which a worker tells the scheduler what it is."""


def main() -> int:
    """Work until the scheduler ends or somebody stops us."""
    options = Parser(prog="python -m evaluation.cluster.worker", description=__doc__)
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    options.add_argument("address", metavar="ADDRESS", help="the scheduler, like tls://10.0.0.1:8786")
    options.add_argument("--host", metavar="HOST", help="the address of this machine that others reach")
    chosen = options.parse_args()
    try:
        with (
            cleaned(),
            Cleaner() as cleaner,
            tempfile.TemporaryDirectory(prefix="hofaz9-worker-", ignore_cleanup_errors=True) as folder,
        ):
            make_room([])
            cleaner.folder(Path(folder))
            return asyncio.run(work(chosen.address, chosen.host, folder))
    except EvaluationError as error:
        print(f"no worker: {error}", file=sys.stderr)
        return error.status


async def work(address: str, host: str | None, folder: str) -> int:
    """Offer one grading at a time; return the exit status: a scheduler that was lost is no success."""
    own = alike.here()
    told = {**asdict(own), "isolation": sandbox.kind()}
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # Nobody looks at a profile, and what is measured here should have the machine for itself.
    dask.config.set({"distributed.worker.profile.enabled": False})
    worker = Worker(
        address,
        host=host,
        nthreads=1,
        resources={own.resource: 1},
        plugins=(Gradings(),),
        startup_information={**DEFAULT_STARTUP_INFORMATION, FACTS: lambda _: told},
        local_directory=folder,
        # Services and candidates have the memory; the worker itself needs next to none.
        memory_limit=0,
    )
    print(f"looking for the scheduler at {address}", flush=True)
    starting, stopping = asyncio.ensure_future(worker), asyncio.ensure_future(stopped.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        return RESOLVED
    starting.result()
    lost = asyncio.ensure_future(worker.finished())
    await asyncio.wait((lost, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not lost.done():
        # What runs here is begun anew elsewhere, and this counts as no worker that it killed.
        await worker.close_gracefully(reason="stopped")
        return RESOLVED
    print(f"no worker: the scheduler at {address} has ended", file=sys.stderr)
    return NO_VERDICT


if __name__ == "__main__":
    raise SystemExit(main())
