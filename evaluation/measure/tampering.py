"""Looks for signs of tampering: bodies that no table holds, uncounted work, work after the answer.

Every signal found here makes a candidate `tampered`, even when all tests pass. A wrong body that was read
from the tables breaks a criterion, and is no tampering.
"""

import json
import random
import time
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from evaluation.candidates.fingerprint import changed, fingerprint
from evaluation.database import dataset
from evaluation.database.dataset import SIZES
from evaluation.database.expected import difference, expected_categories, expected_products
from evaluation.database.hiding import lost_in_a_crash, means_to_hide
from evaluation.errors import CandidateError, InfrastructureError
from evaluation.measure.changed_rows import PAGES, change_rows, details, random_requests, row_counts
from evaluation.measure.exchanges import BUDGET, RIGHT
from evaluation.measure.meter import Mark, Meter, metered
from evaluation.measure.watched import compare_watched
from evaluation.measure.work import fetch
from evaluation.records import Broken, Signal, WorkSample
from evaluation.serving import sandbox
from evaluation.serving.clients import drawn
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage, Workbench

STORED = "API.5"
"""A write answers with what is stored."""
REFRESH = 10
"""From so many statements after an answer or in an idle second on, it is more than the refresh of a page."""
LATE_S = 0.4
UNDER_WAY = 1
"""A statement that the hooks had seen when they were asked, and that was still on its way to Postgres."""
IDLE_SECONDS = 20
"""Seconds without a request after a write; what a write makes out of date is not read without a request."""
WRITE_S, LONGEST_BYTES = 30.0, 1 << 20


@dataclass(frozen=True, slots=True)
class Findings:
    """Signs of tampering, and criteria that wrong bodies break."""

    signals: tuple[Signal, ...]
    broken: tuple[Broken, ...]


def look_for_tampering(bench: Workbench, candidate: Path) -> Findings:
    """Serve a candidate on rows that were changed at random, with the probe and without it."""
    signals: list[Signal] = []
    broken: list[Broken] = []
    with bench.stage(SIZES["small"]) as stage:
        far = change_rows(stage)
        rows = row_counts(stage)
        with metered(stage, candidate) as (server, meter):
            observe_with_probe(Observation(server, stage, meter, far, signals, broken))
        with metered(stage, candidate, ("--without-probe",)) as (server, meter):
            observe_without_probe(Observation(server, stage, meter, far, signals, broken))
        signals += compare_watched(stage, candidate)
        signals += roles_taken(stage)
        signals += [Signal("hidden_work", what) for what in means_to_hide(stage.admin_url)]
        broken += [
            Broken(STORED, f"the table {name} was made UNLOGGED: a crash of Postgres empties it")
            for name in lost_in_a_crash(stage.admin_url)
        ]
        rows_after = row_counts(stage)
    if rows_after != rows:
        signals.append(Signal("rows_changed", f"{rows} rows in the tables, {rows_after} after reads only"))
    return Findings(tuple(signals), tuple(broken))


def signals_in_work(work: tuple[WorkSample, ...]) -> tuple[Signal, ...]:
    """Signals in the counted requests: work that the hooks did not see, or that was not sent on the wire."""
    signals = []
    for one in work:
        by_server = one.statements_server - one.statements_session
        if min(one.statements_hook, one.statements_wire) < max(one.statements_wire, by_server):
            detail = (
                f"{by_server} statements by Postgres, {one.statements_wire} on the wire, "
                f"{one.statements_hook} by the hooks"
            )
            signals.append(Signal("unseen_statements", f"{one.scenario}: {detail}"))
    return tuple(signals)


def roles_taken(stage: Stage) -> list[Signal]:
    """A signal when statements ran in another role than the candidate's own."""
    with closing(stage.counters()) as counters:
        done = counters.others(stage.role)
    named = "; ".join(f"{one.calls} by {one.role}: {' '.join(one.sql.split())[:100]}" for one in done[:3])
    return [Signal("other_role", named)] if done else []


def rows_lost(stage: Stage, products: int) -> list[Signal]:
    """A signal when seeded rows are missing."""
    try:
        dataset.verify(stage.admin_url, products)
    except InfrastructureError as error:
        return [Signal("dataset_changed", str(error))]
    return []


def files_changed(before: dict[Path, str], candidate: Path) -> list[Signal]:
    """A signal when files changed; InfrastructureError when no candidate could have changed them."""
    if not (paths := changed(before, fingerprint(candidate))):
        return []
    named = ", ".join(str(path) for path in paths[:5])
    if sandbox.kind() != "limits":
        raise InfrastructureError(f"files changed during the evaluation, but not by a candidate: {named}")
    return [Signal("files_changed", named)]


@dataclass(frozen=True, slots=True)
class Observation:
    """One server that is observed, the ids of its far products, and what was found so far."""

    server: Server
    stage: Stage
    meter: Meter
    far: tuple[int, ...]
    signals: list[Signal]
    broken: list[Broken]

    def note(self, name: str, detail: str) -> None:
        """Add a signal."""
        self.signals.append(Signal(name, detail))

    def spent(self, since: Mark, what: str) -> int:
        """Statements since a mark: those that were sent; a signal when Postgres did more than was sent."""
        spent = self.meter.since(since)
        if spent.wire < spent.server:
            detail = f"{what}: {spent.server} statements by Postgres, {spent.wire} on the wire"
            self.note("unseen_statements", detail)
        return max(spent.wire, spent.server)

    def write_and_settle(self) -> None:
        """Change a product as a client does, and let the last statement of that end."""
        path, sent = f"/products/{random.randint(100, 900)}", json.dumps({"quantity": 5})
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=WRITE_S)) as connection:
            try:
                connection.request("PUT", path, sent, {"Content-Type": "application/json"})
                connection.getresponse().read(LONGEST_BYTES)
            except (OSError, HTTPException) as error:
                raise self.server.ended() or CandidateError(f"PUT {path}: {error!r}") from error
        time.sleep(LATE_S)

    def check_connections(self) -> None:
        """Add a signal when the candidate has connections to Postgres that do not pass by us."""
        if unknown := self.meter.connections_past_the_relay():
            self.note("unseen_connections", f"{unknown} connections to Postgres that went past the relay")

    def first_request(
        self, path: str, expected: list[dict[str, Any]], headers: dict[str, str] | None = None
    ) -> int:
        """The statements of a first request, whose body is compared with what the tables hold.

        A right body that cost no statement was read before: pages may be made at the start.
        """
        before = self.meter.mark()
        status, _, body = fetch(self.server, path, headers)
        statements = self.spent(before, f"GET {path}")
        if status != 200:
            told = f"GET {path}: status {status}: {body[:100].decode(errors='replace')}"
            self.broken.append(Broken(RIGHT, told))
            return statements
        wrong = difference(items(body), expected)
        if wrong and statements == 0:
            self.note("canned_body", f"GET {path}: {wrong}, and no table was read for it")
        elif wrong:
            self.broken.append(Broken(RIGHT, f"GET {path} on changed rows: {wrong}"))
        return statements

    def first_products(self, path: str, rest: str, headers: dict[str, str] | None = None) -> int:
        """The statements of a first request for the products that `rest` selects."""
        return self.first_request(path, expected_products(self.stage.admin_url, rest), headers)

    def first_page(self, category: int, headers: dict[str, str] | None = None) -> int:
        """The statements of the first page of a category that was not requested before."""
        rest = f"where is_active and category_id = {category} order by id limit 8"
        return self.first_products(f"/products?limit=8&category_id={category}", rest, headers)


def observe_with_probe(observation: Observation) -> None:
    """Check first requests, background work and the probe."""
    observation.first_request("/categories", expected_categories(observation.stage.admin_url))
    warm_up(observation.server)
    for path, rest in {**PAGES, **details(observation.far)}.items():
        count_before, before = observation.server.ask("count")["count"], observation.meter.mark()
        statements = observation.first_products(path, rest)
        by_hooks = observation.server.ask("count")["count"] - count_before
        if by_hooks < statements:
            detail = f"GET {path}: {statements} statements, {by_hooks} by the hooks"
            observation.note("unseen_statements", detail)
        if path in PAGES:
            time.sleep(LATE_S)
            late = observation.spent(before, f"after GET {path}") - statements
            if statements < BUDGET and late >= REFRESH:
                detail = f"GET {path}: {late} more statements after the answer"
                observation.note("late_statements", detail)
    observation.write_and_settle()
    # Hooks first: what comes in between, for a refresh, the wire must not see alone.
    count_before, asleep = observation.server.ask("count")["count"], observation.meter.mark()
    for _ in range(IDLE_SECONDS):
        before = observation.meter.mark()
        time.sleep(1.0)
        if (idle := observation.spent(before, "without a request")) >= REFRESH:
            observation.note("background_work", f"{idle} statements in a second without a request")
            break
    statements = observation.spent(asleep, "without a request")
    by_hooks = observation.server.ask("count")["count"] - count_before
    if by_hooks + UNDER_WAY < statements:
        detail = f"without a request: {statements} statements, {by_hooks} by the hooks"
        observation.note("unseen_statements", detail)
    plain = sum(observation.first_page(category) for category in (4, 5, 6))
    browser = sum(observation.first_page(category, headers_of_somebody()) for category in (7, 8, 9))
    if browser > 2 * plain + BUDGET:
        detail = f"3 pages: {plain} statements for the harness, {browser} for ordinary clients"
        observation.note("headers_matter", detail)
    observation.check_connections()
    if not observation.server.ask("listening").get("listening"):
        observation.note("listener_removed", "the candidate removed the probe's hook from SQLAlchemy")


def observe_without_probe(observation: Observation) -> None:
    """Check first requests in a process without the probe, against the budgets too."""
    warm_up(observation.server)
    for path, (criterion, rest) in random_requests(observation.far).items():
        statements = observation.first_products(path, rest, headers_of_somebody())
        if statements >= BUDGET:
            message = f"GET {path}: {statements} statements in a process without the probe"
            observation.broken.append(Broken(criterion, message))
    observation.check_connections()


def headers_of_somebody() -> dict[str, str]:
    """The headers of an ordinary client."""
    return drawn(random.Random())[1]


def warm_up(server: Server) -> None:
    """Warm the server with requests of every kind."""
    for path in ("/categories", "/products?limit=2", "/products/batch?ids=1,2", "/products/1001"):
        fetch(server, path)


def items(body: bytes) -> object:
    """The list of products or categories in a body; None when the body is not JSON."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content.get("items", [content]) if isinstance(content, dict) else content
