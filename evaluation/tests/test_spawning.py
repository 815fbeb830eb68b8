"""Forked workers share nothing, and none of them is left behind."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluation.database.dataset import SIZES
from evaluation.errors import CandidateError, InfrastructureError, ProbeSilencedError
from evaluation.measure.work import fetch
from evaluation.services.cleaner import is_alive
from evaluation.serving import sandbox
from evaluation.serving.server import Server
from evaluation.serving.spawn import MARK, processes_with
from evaluation.serving.workbench import Stage, open_workshop
from tests.observing import until

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "repository_after"

KILLED = """
import sys, time
from pathlib import Path
from evaluation.serving.workbench import open_workbench
candidate = Path(sys.argv[1])
with open_workbench() as bench, bench.stage(2000) as stage, stage.serving(candidate) as server:
    forkserver = stage.forkservers.of(candidate.resolve())
    print(forkserver.mark, forkserver.process.pid, server.process.pid, flush=True)
    time.sleep(60)
"""

REPORTS = """
import asyncio, hashlib, json, os, random, resource, secrets, signal, sys, threading
import fastapi
print("SEES", json.dumps({
    "random": random.random(), "secret": secrets.token_hex(8),
    "environment": dict(os.environ), "descriptors": len(os.listdir("/proc/self/fd")) - 1,
    "memory": resource.getrlimit(resource.RLIMIT_AS)[0], "patched": hasattr(fastapi, "patched"),
    "threads": sorted(thread.name for thread in threading.enumerate()),
    "session": os.getsid(0) == os.getpid(),
    "ignored": [n for n in (1, 2, 3, 15) if signal.getsignal(n) == signal.SIG_IGN],
}), flush=True)
fastapi.patched = True
"""


WRAPPED = """
_served = app
async def app(scope, receive, send):
    {before}
    await _served(scope, receive, send)
    {after}
"""


def variant(tmp_path: Path, extra: str) -> Path:
    """The reference with more lines at the end of its main module."""
    made = tmp_path / "variant"
    shutil.copytree(REFERENCE, made, ignore=shutil.ignore_patterns("__pycache__"))
    main = made / "main.py"
    main.write_text(main.read_text() + "\n" + extra)
    tmp_path.chmod(0o755)
    return made.resolve()


def seen_by(server: Server) -> dict[str, Any]:
    """What a server whose candidate contains REPORTS has printed."""
    line = next(line for line in server.log_text().splitlines() if line.startswith("SEES "))
    seen: dict[str, Any] = json.loads(line[5:])
    return seen


def test_servers_of_one_fork_server_share_nothing(stage: Stage, tmp_path: Path) -> None:
    candidate = variant(tmp_path, REPORTS)

    with stage.serving(candidate) as one, stage.serving(candidate) as other:
        first, second = seen_by(one), seen_by(other)

    assert first["random"] != second["random"]
    assert first["secret"] != second["secret"]
    assert not second["patched"], "a library patched by one server is patched in another"


def test_a_server_has_only_the_environment_and_descriptors_it_needs(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HARNESS", "x")
    candidate = variant(tmp_path, REPORTS)

    with stage.serving(candidate) as server:
        seen = seen_by(server)

    allowed = {"PATH", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    allowed |= {MARK}
    assert set(seen["environment"]) - allowed == {"DATABASE_URL", "REDIS_URL"}
    assert seen["environment"]["DATABASE_URL"] == stage.url
    assert seen["descriptors"] == 5, "more is open than the standard streams, listener and control socket"
    assert seen["memory"] == sandbox.LIMITS["RLIMIT_AS"]
    assert seen["threads"] == ["MainThread"]
    assert seen["session"]
    assert not seen["ignored"]


def test_a_fork_server_has_one_thread_and_no_sockets_of_servers(stage: Stage) -> None:
    with stage.serving(REFERENCE):
        pid = stage.forkservers.of(REFERENCE).process.pid
        threads = os.listdir(f"/proc/{pid}/task")
        held = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()] if os.geteuid() == 0 else []

    assert len(threads) == 1
    sockets = [name for name in held if name.startswith("socket:")]
    assert len(sockets) <= 1, "the forkserver holds the sockets of a server"


def test_uvloop_and_httptools_serve(stage: Stage, tmp_path: Path) -> None:
    prints_loop = (
        "print('LOOP', type(__import__('asyncio').get_running_loop()).__module__, "
        "getattr(send, '__self__', send).__class__.__module__, flush=True)"
    )
    candidate = variant(tmp_path, WRAPPED.format(before=prints_loop, after="pass"))

    with stage.serving(candidate) as server:
        fetch(server, "/products/1")
        log = server.log_text()

    assert "LOOP uvloop uvicorn.protocols.http.httptools_impl" in log


def test_a_candidate_may_log_through_the_loggers_of_uvicorn(stage: Stage, tmp_path: Path) -> None:
    logs = (
        "[__import__('logging').getLogger(name).info('SAID by %s', scope['path']) "
        "for name in ('uvicorn.access', 'uvicorn.error') if scope.get('path') == '/products/1']"
    )
    candidate = variant(tmp_path, WRAPPED.format(before=logs, after="pass"))

    with stage.serving(candidate) as server:
        fetch(server, "/products/1")
        log = server.log_text()

    assert log.count("INFO SAID by /products/1") == 2


def test_uvicorn_writes_no_access_lines(stage: Stage) -> None:
    with stage.serving(REFERENCE, options=("--null", "10")) as server:
        assert server.is_healthy()
        log = server.log_text()

    assert "Application startup complete" in log
    assert "GET" not in log


def test_scratch_files_do_not_outlive_their_server(stage: Stage, tmp_path: Path) -> None:
    scratch = f"/tmp/hofaz9-left-{os.getpid()}"
    candidate = variant(
        tmp_path,
        f"import contextlib, os\nprint('SEES', os.path.exists('{scratch}'), flush=True)\n"
        f"with contextlib.suppress(OSError):\n    open('{scratch}', 'w').close()\n",
    )
    seen = []
    for _ in range(2):
        with stage.serving(candidate) as server:
            seen.append("SEES True" in server.log_text())

    assert seen == [False, False]


def test_a_stopped_server_shuts_down_gracefully(stage: Stage, tmp_path: Path) -> None:
    prints_shutdown = "print('SHUT DOWN', scope['type'], flush=True)"
    candidate = variant(tmp_path, WRAPPED.format(before="pass", after=prints_shutdown))

    with stage.serving(candidate) as server:
        assert server.process.poll() is None

    assert "SHUT DOWN lifespan" in server.log_text()
    assert server.process.poll() == -signal.SIGTERM


def test_the_end_of_a_server_is_reported_with_its_log(stage: Stage, tmp_path: Path) -> None:
    exits = "scope.get('path') == '/end' and (print('LAST LINE', flush=True), __import__('os')._exit(7))"
    candidate = variant(tmp_path, WRAPPED.format(before=exits, after="pass"))

    with stage.serving(candidate) as server:
        with pytest.raises(CandidateError, match=r"(?s)has ended \(status 7\).*LAST LINE"):
            fetch(server, "/end")
        with pytest.raises(CandidateError, match=r"(?s)has ended.*LAST LINE"):
            server.ask("count")

    assert server.process.poll() == 7


def test_the_message_for_a_candidate_that_cannot_be_imported_contains_the_traceback(
    stage: Stage, tmp_path: Path
) -> None:
    candidate = variant(tmp_path, "1 / 0  # here")

    with pytest.raises(CandidateError, match=r"(?s)cannot be imported.*1 / 0  # here.*ZeroDivisionError"):
        stage.serving(candidate).__enter__()


@pytest.mark.parametrize(
    ("imports", "message"),
    [
        (
            "import orjson_of_tomorrow.fast",
            r"(?s)the package orjson_of_tomorrow is not .*; installed are .*fastapi \d",
        ),
        ("import crud", r"set up:\nTraceback"),
    ],
    ids=["package", "own-module"],
)
def test_the_message_for_a_missing_package_says_which_and_what_is_installed(
    stage: Stage, tmp_path: Path, imports: str, message: str
) -> None:
    candidate = variant(tmp_path, imports)

    with pytest.raises(CandidateError, match=message):
        stage.serving(candidate).__enter__()


@pytest.mark.parametrize(
    "victim", ["os.getppid()", "int(open('/proc/%d/stat' % os.getppid()).read().split()[3])"]
)
def test_a_candidate_that_tries_to_kill_its_supervisor_or_fork_server_harms_only_itself(
    stage: Stage, tmp_path: Path, victim: str
) -> None:
    candidate = variant(
        tmp_path,
        "import os, signal\nif os.fork() == 0:\n    os.setsid()\n    signal.pause()\n"
        f"try:\n    os.kill(({victim}) or 1, signal.SIGKILL)\n"
        "except OSError as error:\n    print('REFUSED', error, flush=True)\n",
    )
    forkserver = stage.forkservers.of(candidate)

    with contextlib.suppress(CandidateError), stage.serving(candidate) as server:
        fetch(server, "/products/1")

    stage.forkservers.close(forkserver)
    assert until(lambda: not processes_with(f"{MARK}={forkserver.mark}"))
    with stage.serving(REFERENCE) as server:
        assert fetch(server, "/products/1")[0] == 200
    with contextlib.suppress(CandidateError), stage.serving(candidate) as server:
        assert sandbox.kind() != "limits", "the candidate outlived its supervisor"


def test_a_fork_server_that_never_served_is_a_failure_on_our_side(stage: Stage, tmp_path: Path) -> None:
    candidate = variant(tmp_path, "")
    forkserver = stage.forkservers.of(candidate)
    forkserver.process.kill()

    with pytest.raises(InfrastructureError, match="does not start"), socket.socket() as one:
        forkserver.spawn({}, (), one.fileno(), one.fileno(), tmp_path / "log")


def test_a_killed_fork_server_that_has_served_is_the_candidates_failure_and_is_replaced(
    stage: Stage, tmp_path: Path
) -> None:
    candidate = variant(tmp_path, "")
    with stage.serving(candidate):
        pass
    forkserver = stage.forkservers.of(candidate)
    forkserver.process.kill()

    with pytest.raises(CandidateError), socket.socket() as one:
        forkserver.spawn({}, (), one.fileno(), one.fileno(), tmp_path / "log")
    with stage.serving(candidate) as server:
        assert fetch(server, "/products/1")[0] == 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_harness_that_dies_leaves_no_server(tmp_path: Path, number: signal.Signals) -> None:
    candidate = variant(
        tmp_path, "import os, signal\nif os.fork() == 0:\n    os.setsid()\n    signal.pause()\n"
    )
    command = [sys.executable, "-c", KILLED, str(candidate)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        mark, *pids = harness.stdout.readline().split()
        assert len(processes_with(f"{MARK}={mark}")) >= (3 if os.geteuid() == 0 else 1)
        harness.send_signal(number)

    assert until(lambda: not any(is_alive(int(pid)) for pid in pids), 15)
    assert until(lambda: not processes_with(f"{MARK}={mark}"), 15)


def test_nothing_is_left_of_a_candidate_whose_workbench_is_closed() -> None:
    with open_workshop() as shop:
        with shop.workbench() as bench, bench.stage(SIZES["small"]) as stage, stage.serving(REFERENCE):
            forkserver = stage.forkservers.of(REFERENCE)

        assert not is_alive(forkserver.process.pid)
        assert processes_with(f"{MARK}={forkserver.mark}") == []
        assert list(shop.folder.iterdir()) == []


def test_a_fork_server_ignores_signals_that_stop_the_harness(stage: Stage) -> None:
    with stage.serving(REFERENCE) as server:
        forkserver = stage.forkservers.of(REFERENCE).process.pid
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.killpg(forkserver, number)

        assert os.getsid(forkserver) == forkserver
        assert fetch(server, "/products/1")[0] == 200
    with stage.serving(REFERENCE):
        assert stage.forkservers.of(REFERENCE).process.pid == forkserver


@pytest.mark.parametrize(
    "spoken",
    [
        'b"nonsense\\n"',
        'b"[1]\\n"',
        'b"{}\\n" * 9',
        'b"\\xff\\n"',
        '(b"x" * (1 << 20) for _ in iter(int, 1))',
    ],
    ids=["words", "list", "empty", "bytes", "endless"],
)
def test_nonsense_on_the_control_socket_is_a_silenced_probe(
    stage: Stage, tmp_path: Path, spoken: str
) -> None:
    candidate = variant(
        tmp_path,
        "import os, socket, threading\n"
        "def speak():\n"
        "    for name in os.listdir('/proc/self/fd'):\n"
        "        if int(name) > 2 and os.path.exists(f'/proc/self/fd/{name}'):\n"
        "            one = socket.socket(fileno=os.dup(int(name))) if 'socket' in os.readlink("
        "f'/proc/self/fd/{name}') else None\n"
        "            if one and one.family == socket.AF_UNIX:\n"
        f"                spoken = {spoken}\n"
        "                for piece in [spoken] if isinstance(spoken, bytes) else spoken:\n"
        "                    one.sendall(piece)\n"
        "threading.Timer(1.0, speak).start()\n",
    )

    with stage.serving(candidate) as server:
        assert until(lambda: is_silenced(server), 10.0)


def is_silenced(server: Server) -> bool:
    """Whether the probe is found to give no answer."""
    try:
        server.ask("count")
    except ProbeSilencedError:
        return True
    return False
