"""The addresses of Postgres and Redis: URLs that are read, changed, and shown without a password."""

import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from evaluation.errors import UsageError

POSTGRES_SCHEME = re.compile(r"postgres(ql)?(\+\w+)?")
POSTGRES_PORT, REDIS_PORT = "5432", "6379"
SECRETS = re.compile(r"(password=)[^&]*")


@dataclass(frozen=True, slots=True)
class Postgres:
    """Where a Postgres is, and as whom to log in; a host that begins with / is the folder of its socket.

    `options` are the parameters about TLS. All others are dropped: not every driver knows them.
    """

    host: str
    port: str
    user: str
    password: str
    database: str
    options: tuple[tuple[str, str], ...]

    @property
    def url(self) -> str:
        """The address as `postgresql://user:password@host:port/database`."""
        login = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        at = f"{login}@" if login else ""
        options = list(self.options)
        if self.host.startswith("/"):
            options += [("host", self.host), ("port", self.port)]
            place = ""
        else:
            place = joined(self.host, self.port)
        path = f"/{quote(self.database, safe='')}"
        return urlunsplit(("postgresql", at + place, path, urlencode(options, quote_via=quote, safe="/"), ""))


def postgres(url: str) -> Postgres:
    """Read a URL in any form that libpq takes; UsageError when there is no single server in it."""
    parts = parts_of(url)
    words = (word.partition("=") for word in parts.query.split("&"))
    options = {unquote(name): unquote(value) for name, _, value in words if name}
    login, _, place = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    host, port = host_and_port(place)
    found = Postgres(
        options.get("host", host) or "localhost",
        options.get("port", port) or POSTGRES_PORT,
        options.get("user", unquote(user)),
        options.get("password", unquote(password)),
        options.get("dbname", unquote(parts.path[1:])),
        tuple((name, value) for name, value in options.items() if name.startswith("ssl")),
    )
    if not POSTGRES_SCHEME.fullmatch(parts.scheme) or not found.port.isdecimal() or "," in found.host:
        raise UsageError(
            f"DATABASE_URL: {shown(url)} is not the URL of one Postgres "
            "(postgresql://user:password@host:port/database)"
        )
    return found


def other_database(url: str, database: str) -> str:
    """The URL of another database on the same Postgres."""
    return replace(postgres(url), database=database).url


def with_login(url: str, user: str, password: str, database: str) -> str:
    """The URL that a candidate gets: its own login and database, and nothing that only some drivers know."""
    own = Postgres(*place_of(url), user, password, database, ())
    return own.url


def place_of(url: str) -> tuple[str, str]:
    """Host and port of a Postgres or a Redis."""
    parts = parts_of(url)
    if parts.scheme == "redis":
        host, port = host_and_port(parts.netloc.rpartition("@")[2])
        return host or "localhost", port or REDIS_PORT
    found = postgres(url)
    return found.host, found.port


def redis_database(url: str, number: int) -> str:
    """The URL of one database of a Redis, with its other parameters; UsageError unless it listens on TCP."""
    parts = parts_of(url)
    if parts.scheme != "redis" or not place_of(url)[1].isdecimal():
        raise UsageError(
            f"REDIS_URL: {shown(url)} is not the URL of a Redis (redis://user:password@host:port)"
        )
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "db"]
    return urlunsplit(("redis", parts.netloc, f"/{number}", urlencode(query, safe="/"), ""))


def redis_login(url: str, user: str, password: str, number: str) -> str:
    """The URL that a candidate gets: its own login and database, and nothing else."""
    return f"redis://{user}:{password}@{joined(*place_of(url))}/{number}"


def parts_of(url: str) -> SplitResult:
    """The parts of a URL; UsageError when it has none."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{shown(url)} is not a URL") from error


def host_and_port(place: str) -> tuple[str, str]:
    """Both parts of `host:port` or `[IPv6]:port`; the port may be missing, and then is empty."""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = place.partition(":")
    return unquote(host), port


def joined(host: str, port: str) -> str:
    """Host and port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def shown(url: str) -> str:
    """The URL with *** for whatever may be a password, also where it is no right URL."""
    scheme, mark, rest = url.partition("://")
    login, at, place = rest.rpartition("@")
    if not mark or (not at and not re.fullmatch(r"(\[[\w:.]+\]|[\w.-]*)(:\d+)?([/?].*)?", rest)):
        return f"{scheme}://***" if mark else "***"
    user = f"{login.partition(':')[0]}:***@" if at else ""
    return SECRETS.sub(r"\1***", f"{scheme}://{user}{place}")
