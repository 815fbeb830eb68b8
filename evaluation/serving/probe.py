"""The probe inside the worker: it records statements, reads the pool and moves the clock.

It is installed before the candidate is imported, and answers over a socket pair that only the harness holds.
What passes on the wire (`wire.py`) and what Postgres counts (`counters.py`) decides; the probe adds how the
candidate wrote each statement, before a driver puts the parameters into it.
"""

import json
import socket
import sys
import threading
import time
from typing import Any

from sqlalchemy import Engine, event


class Clock:
    """Adds an offset to the clocks of `time`, so that a test can let a minute pass at once.

    The process has worked all that time: its CPU time passes as well.
    """

    def __init__(self) -> None:
        self.offset_s = 0.0
        real_time, real_monotonic, real_process_time = time.time, time.monotonic, time.process_time
        time.process_time = lambda: real_process_time() + self.offset_s
        time.time = lambda: real_time() + self.offset_s
        time.monotonic = lambda: real_monotonic() + self.offset_s


class Probe:
    """Records every statement that SQLAlchemy sends from this process."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.clock = Clock()
        self.engine: Any = None
        event.listen(Engine, "before_cursor_execute", self.record)

    def record(
        self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        """Listen to SQLAlchemy's event `before_cursor_execute`."""
        # Many sets of parameters are as many statements.
        self.statements += [statement] * (len(parameters) if many else 1)

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer a question: `statements`, `count`, `advance`, `be_busy`, `listening` or `pool`."""
        match question["ask"]:
            case "statements":
                return {"statements": self.statements[question["since"] :]}
            case "count":
                return {"count": len(self.statements)}
            case "advance":
                self.clock.offset_s += question["seconds"]
                return {}
            case "be_busy":
                be_busy(question["seconds"])
                return {}
            case "listening":
                return {"listening": event.contains(Engine, "before_cursor_execute", self.record)}
            case "pool":
                return pool_state(self.engine)
            case other:
                return {"error": f"unknown question {other!r}"}

    def listen(self, control: socket.socket) -> None:
        """Answer in a thread of its own until the harness closes the connection."""

        def loop() -> None:
            with control.makefile("rw") as stream:
                for line in stream:
                    stream.write(json.dumps(self.answer(json.loads(line)), default=str) + "\n")
                    stream.flush()

        threading.Thread(target=loop, name="probe", daemon=True).start()


def be_busy(seconds: float) -> None:
    """Use so much CPU time; no other thread of this process gets the interpreter meanwhile."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(100 * seconds)
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass
    sys.setswitchinterval(interval_s)


def pool_state(engine: Any) -> dict[str, Any]:
    """Size and use of the candidate's connection pool; None for a number that its pool does not have."""
    pool = getattr(engine, "sync_engine", engine).pool
    size = pool.size() if hasattr(pool, "size") else None
    overflow = getattr(pool, "_max_overflow", None)
    return {
        "kind": type(pool).__name__,
        "size": size,
        "max_overflow": overflow,
        "timeout_s": getattr(pool, "_timeout", None),
        "checked_out": pool.checkedout() if hasattr(pool, "checkedout") else None,
    }
