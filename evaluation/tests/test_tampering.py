"""Signs of tampering are found in candidates that tamper, and not in legitimate ones."""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from evaluation.candidates.fingerprint import OURS, changed, fingerprint
from evaluation.candidates.folder import copied
from evaluation.candidates.patches import apply_patch
from evaluation.database.dataset import SIZES
from evaluation.errors import InfrastructureError
from evaluation.measure import tampering
from evaluation.measure.meter import metered
from evaluation.measure.tampering import files_changed, look_for_tampering, roles_taken, signals_in_work
from evaluation.measure.work import measure_work
from evaluation.records import Signal, WorkSample
from evaluation.serving import sandbox
from evaluation.serving.workbench import Stage, Workbench

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "repository_after"

ASKS_ABOUT_TYPES = """

mood = Enum("fine", "bad", name="mood", metadata=Base.metadata)


@event.listens_for(engine.sync_engine, "connect")
def register(connection, record):
    connection.run_async(
        lambda raw: raw.set_type_codec("mood", schema="public", encoder=str, decoder=str)
    )
    connection.run_async(lambda raw: raw.fetch("select current_setting('TimeZone')"))
"""

ANSWERS_OTHERWISE = """
_served = app
kept = []
QUERY = b"limit=6&is_active=false"


async def made():
    sent = []
    scope = {{
        "type": "http", "asgi": {{"version": "3.0"}}, "http_version": "1.1", "scheme": "http",
        "method": "GET", "path": "/products", "raw_path": b"/products", "query_string": QUERY,
        "root_path": "", "headers": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }}

    async def receive():
        return {{"type": "http.request", "body": b"", "more_body": False}}

    async def send(message):
        sent.append(message.get("body", b""))

    await _served(scope, receive, send)
    return b"".join(sent)


async def app(scope, receive, send):
    async def send_started(message):
        if message["type"] == "lifespan.startup.complete":
            {at_start}
        await send(message)

    if scope["type"] == "lifespan":
        await _served(scope, receive, send_started)
    elif scope["query_string"] != QUERY:
        await _served(scope, receive, send)
    else:
        headers = [(b"content-type", b"application/json")]
        body = {body}
        await send({{"type": "http.response.start", "status": 200, "headers": headers}})
        await send({{"type": "http.response.body", "body": body}})
"""

REFRESHES = """
from sqlalchemy import text
_served = app
tasks = []


async def refresh():
    while True:
        await asyncio.sleep({pause_s})
        async with SessionLocal() as db:
            for table in ("products", "reviews", "inventory"):
                await db.execute(text(f"select id from {{table}} limit 1"))


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        tasks.append(asyncio.create_task(refresh()))
    await _served(scope, receive, send)
"""

SENDS_MORE = """
import sys
from sqlalchemy import text
_served = app
is_watched = "evaluation.serving.probe" in sys.modules


async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] != "/health" and {condition}:
        async with SessionLocal() as db:
            {work}
    await _served(scope, receive, send)
"""
LOOPED = "do $$ begin for i in 1..9 loop perform name from products where id = i; end loop; end $$"

HOLDS_A_CONNECTION = """
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
_served = app
held = []


async def app(scope, receive, send):
    if scope["type"] == "http" and not held:
        held.append(None)
        async with SessionLocal() as db:
            port = (await db.execute(text("select inet_server_port()"))).scalar_one()
            past = create_async_engine((await db.connection()).engine.url.set(port=port))
        held.append(await past.connect())
    await _served(scope, receive, send)
"""

WRITES = """
import contextlib
for path in ({planted!r}, __file__):
    with contextlib.suppress(OSError), open(path, "a") as file:
        file.write(" ")
"""


@pytest.fixture(autouse=True)
def short_pause(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty seconds without a request are for tests of what a candidate does meanwhile."""
    if "pages_a_second" not in request.fixturenames:
        monkeypatch.setattr(tampering, "IDLE_SECONDS", 2)


def work_and_signals(bench: Workbench, candidate: Path) -> tuple[tuple[WorkSample, ...], set[str]]:
    """The counted requests of a candidate, and the names of all signals found in it."""
    with bench.stage(SIZES["small"]) as stage:
        with metered(stage, candidate) as (server, meter):
            work = measure_work(server, meter)
        signals = [*signals_in_work(work), *roles_taken(stage)]
    return work, {signal.name for signal in (*signals, *look_for_tampering(bench, candidate).signals)}


def test_a_driver_that_asks_for_types_on_every_new_connection_gives_no_signal(
    bench: Workbench, tmp_path: Path
) -> None:
    legitimate = copied(REFERENCE, tmp_path / "legitimate")
    database = legitimate / "database.py"
    text = database.read_text().replace("import make_url", "import Enum, NullPool, event, make_url")
    start, end = text.index("    pool_size=WRITERS"), text.index(")\nSessionLocal")
    database.write_text(text[:start] + "    poolclass=NullPool,\n" + text[end:] + ASKS_ABOUT_TYPES)

    work, signals = work_and_signals(bench, legitimate)

    assert any(one.statements_server > one.statements_hook for one in work), "the driver asked for nothing"
    assert signals == set()


@pytest.mark.parametrize(
    ("cheat", "signal"),
    [("raw-driver", "unseen_statements"), ("role-of-the-owner", "other_role")],
)
def test_a_cheat_gives_its_own_signal(bench: Workbench, tmp_path: Path, cheat: str, signal: str) -> None:
    apply_patch(REFERENCE, (ROOT / f"patches/cheats/{cheat}.patch").read_bytes(), tmp_path / "cheat")

    _, signals = work_and_signals(bench, tmp_path / "cheat")

    assert signals == {signal}


def with_main(tmp_path: Path, extra: str) -> Path:
    """The reference with more lines at the end of its main module."""
    made = copied(REFERENCE, tmp_path / "variant")
    with (made / "main.py").open("a") as main:
        main.write(extra)
    return made


@pytest.mark.parametrize(
    ("at_start", "body", "signals", "broken"),
    [
        ("pass", "(await made()).replace(b'is_active', b'is_live')", set(), {"API.2"}),
        ("pass", "b'[]'", {"canned_body"}, set()),
        ("kept.append(await made())", "kept[0]", set(), set()),
    ],
    ids=["a mistake", "a canned body", "a page made at the start"],
)
def test_a_wrong_body_is_a_signal_only_where_no_table_was_read(
    bench: Workbench, tmp_path: Path, at_start: str, body: str, signals: set[str], broken: set[str]
) -> None:
    candidate = with_main(tmp_path, ANSWERS_OTHERWISE.format(at_start=at_start, body=body))

    found = look_for_tampering(bench, candidate)

    assert {one.name for one in found.signals} == signals
    assert {one.criterion for one in found.broken} == broken
    assert all("GET /products?limit=6&is_active=false" in one.message for one in found.broken)


def test_work_inside_a_block_is_a_signal(bench: Workbench, tmp_path: Path) -> None:
    work = f'await db.execute(text("{LOOPED}"))'
    candidate = with_main(tmp_path, SENDS_MORE.format(condition="True", work=work))

    _, signals = work_and_signals(bench, candidate)

    assert "unseen_statements" in signals


def test_a_candidate_that_exceeds_its_budgets_without_the_probe_breaks_them(
    bench: Workbench, tmp_path: Path
) -> None:
    work = 'for number in range(5): await db.execute(text(f"select name from products where id = {number}"))'
    candidate = with_main(tmp_path, SENDS_MORE.format(condition="not is_watched", work=work))

    found = look_for_tampering(bench, candidate)

    assert {one.criterion for one in found.broken} == {"R02.1", "R02.2"}


def test_a_connection_past_the_relay_is_a_signal(bench: Workbench, tmp_path: Path) -> None:
    found = look_for_tampering(bench, with_main(tmp_path, HOLDS_A_CONNECTION))

    assert {one.name for one in found.signals} == {"unseen_connections"}


@pytest.mark.parametrize(("pages_a_second", "is_tampering"), [(2, False), (20, True)])
def test_a_page_may_be_refreshed_now_and_then(
    bench: Workbench, tmp_path: Path, pages_a_second: int, is_tampering: bool
) -> None:
    candidate = with_main(tmp_path, REFRESHES.format(pause_s=1 / pages_a_second))

    found = {one.name for one in look_for_tampering(bench, candidate).signals}

    assert ("background_work" in found) is is_tampering
    assert is_tampering or not found


@pytest.mark.parametrize(
    ("sql", "about_the_session"),
    [
        ("select typname from pg_type where oid = 23", True),
        ("select current_setting('jit') as cur, set_config('jit', 'off', false) as new", True),
        ("select n.nspname from pg_catalog.pg_namespace n, lateral (select n.oid) as o", True),
        ("select column_name from information_schema.columns limit 1", True),
        ("select id from products limit 1", False),
        ("select p.id from pg_type, products p limit 1", False),
        ("select (select count(*) from users) from pg_type limit 1", False),
        ("select word from ts_stat('select to_tsvector(name) from products limit 1') limit 1", False),
        ("select hidden() from pg_type limit 1", False),
        ("select id from renamed limit 1", False),
    ],
)
def test_only_statements_on_system_tables_are_about_the_session(
    stage: Stage, sql: str, about_the_session: bool
) -> None:
    with psycopg.connect(stage.url, autocommit=True) as connection, closing(stage.counters()) as counters:
        connection.execute(
            "create or replace function hidden() returns bigint language sql as 'select count(*) from users'"
        )
        connection.execute("create or replace view renamed as select id from users")
        before = counters.snapshot()
        connection.execute(sql.encode())
        spent = counters.since(before)

        assert spent
        assert counters.session(spent) == int(about_the_session)


def test_exactly_the_files_that_changed_are_named(tmp_path: Path) -> None:
    for name in (*OURS, "candidate", "evaluation/reports", "tests/__pycache__"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "file").write_text("original")
    before = fingerprint(tmp_path / "candidate", tmp_path)

    for name in ("evaluation/reports/file", "tests/__pycache__/file", "candidate/file", "tests/file"):
        (tmp_path / name).write_text("changed")
    (tmp_path / "instances/new").write_text("new")
    (tmp_path / "patches/file").unlink()

    found = changed(before, fingerprint(tmp_path / "candidate", tmp_path))
    names = {path.relative_to(tmp_path).as_posix() for path in found}
    assert names == {"candidate/file", "tests/file", "instances/new", "patches/file"}


def test_a_candidate_that_writes_to_our_files_is_stopped_or_gives_a_signal(
    stage: Stage, tmp_path: Path
) -> None:
    planted = ROOT / "instances/planted.json"
    writer = copied(REFERENCE, tmp_path / "writer")
    tmp_path.chmod(0o755)
    with (writer / "main.py").open("a") as main:
        main.write(WRITES.format(planted=str(planted)))
    before = fingerprint(writer)

    try:
        with stage.serving(writer):
            pass
        signals = files_changed(before, writer)
    finally:
        planted.unlink(missing_ok=True)

    written = [Signal("files_changed", f"{planted}, {writer / 'main.py'}")]
    assert signals == (written if sandbox.kind() == "limits" else [])


def test_a_change_that_no_candidate_could_make_is_a_failure_on_our_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = copied(REFERENCE, tmp_path / "candidate")
    before = fingerprint(candidate)
    (candidate / "main.py").write_text("")

    monkeypatch.setattr(sandbox, "kind", lambda: "uid")

    with pytest.raises(InfrastructureError, match=r"main\.py"):
        files_changed(before, candidate)
