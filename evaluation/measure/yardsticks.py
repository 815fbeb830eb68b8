"""Limits that no catalog can beat: nginx that sends a stored page, and one statement that builds the page."""

import http.client
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from evaluation.database.expected import PRODUCT
from evaluation.services.cleaner import Cleaner
from evaluation.services.program import Service, running

NGINX = """
{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; keepalive_requests 10000000; keepalive_timeout 75s;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        root {folder};
        location / {{
            default_type application/json; add_header Content-Encoding gzip; try_files /page =404;
        }}
    }}
}}
"""


def as_json(rest: str) -> str:
    """The statement that builds a list of products as JSON; `rest` says which."""
    return f"select (select json_agg(item) from ({PRODUCT} {rest}) as page (item))::text"


FIRST_PAGE_AS_JSON = as_json("where is_active order by id limit 20")
PRODUCT_AS_JSON = as_json("where id = $1::int")
BATCH_AS_JSON = as_json("where id = any($1::int[])")
PAGE_AS_JSON = as_json("where category_id = $1::int and is_active = $2::bool order by id limit $3::int")


@contextmanager
def ceiling(page: bytes, folder: Path, cleaner: Cleaner) -> Iterator[int | None]:
    """Run an nginx with one worker that sends this gzip body; yields its port, or None without nginx."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if nginx is None:
        yield None
        return
    place = folder / "nginx"
    place.mkdir(exist_ok=True)
    (place / "page").write_bytes(page)

    def command(port: int) -> list[str]:
        user = "user root;" if os.geteuid() == 0 else ""
        (place / "nginx.conf").write_text(NGINX.format(user=user, folder=place, port=port))
        return [nginx, "-e", str(place / "nginx.log"), "-p", str(place), "-c", str(place / "nginx.conf")]

    service = Service(command, place / "nginx.log", signal.SIGTERM, answers)
    with running(service, {}, cleaner) as port:
        yield port


def answers(port: int, pid: int) -> None:
    """Raise OSError until a server answers on the port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    finally:
        connection.close()


class FirstPage:
    """The first page, built as JSON by one statement over asyncpg: the least cost of a cold page."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    @classmethod
    async def open(cls, admin_url: str) -> "FirstPage":
        """Connect as administrator, whose statements do not count as the candidate's."""
        return cls(await asyncpg.connect(admin_url, ssl=False))

    async def ms(self) -> float:
        """Run the statement once; return its time in ms."""
        started = time.perf_counter()
        await self.connection.fetchval(FIRST_PAGE_AS_JSON)
        return 1000 * (time.perf_counter() - started)
