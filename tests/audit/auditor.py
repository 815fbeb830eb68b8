"""The auditor of a run: applies the rules to every exchange, and keeps what it found for each criterion."""

import json
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any

from evaluation.database.expected import difference
from evaluation.serving.log_lines import Request, is_plain, lines_about, without_a_place
from tests.audit import bodies, http_rules
from tests.audit.exchange import Exchange
from tests.audit.http_rules import Finding
from tests.audit.tables import Tables

CRITERIA = (
    *("API.1", "API.2", "API.4", "API.5", "API.6", "API.7", "R02.1", "R02.2", "R02.3", "R08.6", "R11.2"),
    *("R12.1", "R12.2", "R12.3", "R12.4", "R12.5", "R12.6"),
    *("R15.1", "R15.2", "R15.3", "R15.5", "R15.6", "R15.7", "R15.8", "R16.1", "R16.2", "R16.3"),
)
"""What the auditor can judge."""

KEPT = 20
EXCUSED_SHARE = 0.01
BY_CHANCE = 1
"""A process that loses the processor behind its answer takes a quick request for a slow one."""
QUICK_S, SLOW_S = 0.160, 0.210
"""Clear of 200 ms by what a line may tell more or less than the client saw."""
REFUSED = range(400, 500)
OF_A_PRODUCT = frozenset({"name", "description", "price", "category_id", "is_active", "quantity"})
OF_A_REVIEW = frozenset({"author_id", "rating", "title", "body"})


class Auditor:
    """Findings of a run by criterion: how often each was checked and broken, and what was wrong last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.checked: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.wrong: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=KEPT))
        self.tables: dict[str, Tables] = {}
        self.tags: dict[tuple[str, str, bool], dict[str, str]] = defaultdict(dict)
        self.contents: dict[tuple[str, str, str], Any] = {}
        self.slow_lines: list[tuple[str, frozenset[str]]] = []
        self.quick_words: Counter[str] = Counter()

    def of_stage(self, database: str, admin_url: str) -> Tables:
        """The rows of one stage, shared by all servers on it."""
        return self.tables.setdefault(database, Tables(admin_url))

    def note(self, findings: Iterable[Finding], context: str) -> None:
        """Keep what rules have found."""
        for criterion, wrong in findings:
            self.checked[criterion] += 1
            if wrong:
                self.broken[criterion] += 1
                self.wrong[criterion].append(f"{wrong}\n  {context}")

    def verdict(self, criterion: str) -> list[str]:
        """What was wrong with a criterion in the whole run."""
        if criterion == "R16.3":
            return [*self.wrong[criterion], *self.wrong_flags()]
        return list(self.wrong[criterion])

    def wrong_flags(self) -> Iterator[str]:
        """Slow requests whose lines share no word that the lines of all quick ones lack."""
        if not self.slow_lines:
            return
        quick = {word for word, times in self.quick_words.items() if times > BY_CHANCE}
        flag = frozenset.intersection(*(words for _, words in self.slow_lines)) - quick
        if not flag:
            shown = "\n  ".join(line[:200] for line, _ in self.slow_lines[:4])
            yield f"no word marks all requests over 200 ms and none under 200 ms:\n  {shown}"

    def close(self) -> None:
        """Hang up everywhere."""
        for tables in self.tables.values():
            tables.close()


class ServerAudit:
    """The exchanges of one server process on one stage."""

    def __init__(self, auditor: Auditor, tables: Tables, stage: str, name: str) -> None:
        self.auditor = auditor
        self.tables = tables
        self.stage = stage
        self.name = name
        self.may_fail = False
        self.requests: list[Request] = []

    def report(self, exchange: Exchange) -> None:
        """Check one exchange and remember that it must be logged."""
        with self.auditor.lock:
            self.check(exchange)

    def report_all(self, exchanges: Iterable[Exchange]) -> None:
        """Check reads that were under way at the same time, while nobody wrote."""
        for exchange in exchanges:
            self.report(exchange)

    @contextmanager
    def unjudged(self, requests: Iterable[str]) -> Iterator[None]:
        """While these are sent, some of them writes, and nobody judges the answers."""
        writes = sum(not one.startswith(("/", "GET ")) for one in requests)
        if not writes:
            yield
            return
        with self.tables.writing():
            try:
                self.note_writes(writes)
                yield
            finally:
                self.note_writes(0)  # what was read of the tables meanwhile holds no longer

    def note_writes(self, number: int) -> None:
        """So many writes were sent, or came to their end."""
        with self.auditor.lock:
            self.tables.note_writes(self.name, number)

    def expect_line(self, exchange: Exchange, held_s: float = 0.0) -> None:
        """A request must be logged; it was held up for so long on purpose."""
        held_s = min(held_s, exchange.elapsed_s)
        self.requests.append(
            Request(exchange.method, exchange.path, exchange.status, exchange.elapsed_s, held_s)
        )

    def check(self, exchange: Exchange) -> None:
        """The same, while nobody else does."""
        is_write = exchange.method not in ("GET", "HEAD") and exchange.status not in REFUSED
        if is_write:
            self.tables.note_writes(self.name, 1)
        context = exchange.described()
        self.auditor.note(http_rules.check(exchange, may_fail=self.may_fail), context)
        if not self.may_fail:
            if not self.tables.is_modelled:
                self.auditor.note(bodies.check(exchange, self.tables, self.name), context)
            self.auditor.note(self.check_tags(exchange), context)
            if is_write and exchange.alone and not self.tables.is_modelled:
                self.auditor.note(check_write(exchange, self.tables), context)
        self.expect_line(exchange)

    def check_tags(self, exchange: Exchange) -> Iterator[Finding]:
        """Same content, same tag; other content, another tag; and 304 only for what is still so."""
        tag = exchange.headers.get("etag")
        if exchange.method != "GET":
            return
        if exchange.status == 304 and not self.tables.is_modelled:
            yield from self.check_not_modified(exchange)
        if not tag or exchange.status != 200:
            return
        try:
            content = exchange.body()
        except ValueError:
            return
        packed, digest = exchange.encoding == "gzip", sha256(content).hexdigest()
        known = self.auditor.tags[self.stage, exchange.target, packed]
        for other, its_tag in known.items():
            if (other == digest) != (its_tag == tag):
                same = "the same content" if other == digest else "other content"
                yield "R15.3", f"{same} had the tag {its_tag}, now {tag}"
        known[digest] = tag
        yield "R15.3", None
        twin = self.auditor.tags[self.stage, exchange.target, not packed].get(digest)
        if twin:
            shared = twin == tag and not tag.startswith("W/")
            yield "R15.6", f"gzip and plain bytes share the strong tag {tag}" if shared else None
        self.auditor.contents[self.stage, exchange.target, tag.removeprefix("W/")] = content

    def check_not_modified(self, exchange: Exchange) -> Iterator[Finding]:
        """The content that the client's tag stands for is what a 200 would have brought."""
        opaque = ",".join(exchange.request_headers.get_list("if-none-match")).strip().removeprefix("W/")
        content = self.auditor.contents.get((self.stage, exchange.target, opaque))
        if content is None:
            return
        as_if_sent = Exchange(
            exchange.method,
            exchange.target,
            exchange.request_headers,
            b"",
            200,
            type(exchange.headers)(),
            content,
            exchange.started_s,
            exchange.elapsed_s,
        )
        yield from bodies.check(as_if_sent, self.tables, self.name)

    def note_held(self, path: str, seconds: float) -> None:
        """The newest request for a path was held up for so long on purpose."""
        for number in range(len(self.requests) - 1, -1, -1):
            one = self.requests[number]
            if one.path == path:
                held = min(seconds, one.elapsed_s)
                self.requests[number] = Request(one.method, path, one.status, one.elapsed_s, held)
                return

    def unlogged(self, log: str) -> dict[tuple[str, str], tuple[int, int]]:
        """Requests by method and path that have fewer lines than there were: how many of how many."""
        lines = log.splitlines()
        wanted = Counter((one.method, one.path) for one in self.requests if is_plain(one.path))
        by_key = {(one.method, one.path): one for one in self.requests}
        found = {key: len(lines_about(by_key[key], lines)) for key in wanted}
        return {key: (found[key], count) for key, count in wanted.items() if found[key] < count}

    def check_log(self, log: str) -> None:
        """Every request has a line, whose duration the client can confirm."""
        missing = self.unlogged(log)
        logged = [(key, None) for key in {(one.method, one.path) for one in self.requests} - missing.keys()]
        self.auditor.note((("R16.1", None) for _ in logged), "")
        self.auditor.note(
            (
                ("R16.1", f"{method} {path}: {found} lines in the log for {count} requests")
                for (method, path), (found, count) in missing.items()
            ),
            "(of one server process)",
        )
        lines = log.splitlines()
        count = Counter((one.method, one.path) for one in self.requests)
        alone = [one for one in self.requests if count[one.method, one.path] == 1 and is_plain(one.path)]
        found = self.generous_to_few([(one, lines_about(one, lines)) for one in alone])
        for one, its_lines in found:
            self.check_lines(one, its_lines)
        # The numbers of a query would stand among the others.
        plain = [(one.generously(), its) for one, its in found if its and f"{one.path}?" not in its[0]]
        if wrong := without_a_place(plain):
            told = "no place in the lines holds the durations of all requests\n  " + "\n  ".join(wrong)
            self.auditor.note([("R16.2", told)], "(of one server process)")

    def generous_to_few(self, found: list[tuple[Request, list[str]]]) -> list[tuple[Request, list[str]]]:
        """Requests with their lines; where few durations are a little too long, these are excused."""
        late = [one for one, lines in found if lines and not any(map(one.fits, lines))]
        if len(late) > 1 + len(found) * EXCUSED_SHARE:
            return found
        return [(one.generously() if one in late else one, lines) for one, lines in found]

    def check_lines(self, request: Request, lines: list[str]) -> None:
        """The lines of the only request for a path: duration and flag."""
        if not lines:
            return
        fitting = [line for line in lines if request.fits(line)]
        waited = (
            f"held up for {1000 * request.held_s:.0f} ms, answered after {1000 * request.elapsed_s:.0f} ms"
        )
        wrong = None if fitting else f"no duration in the line of {request.method} {request.path} ({waited})"
        self.auditor.note([("R16.2", wrong)], " / ".join(line[:200] for line in lines[:3]))
        words = frozenset().union(*(request.words(line) for line in lines))
        if request.held_s > SLOW_S and request.status < 400:
            self.auditor.checked["R16.3"] += 1
            self.auditor.slow_lines.append((lines[0], words))
        elif request.elapsed_s < QUICK_S and len(lines) == 1:
            # More lines than one may be those of requests that did not pass through here.
            self.auditor.quick_words.update(words)


def check_write(exchange: Exchange, tables: Tables) -> Iterator[Finding]:
    """A write answers with what is stored, and what is stored is what was sent."""
    if exchange.status not in (200, 201):
        return
    try:
        content, sent = exchange.json(), json.loads(exchange.request_body)
    except ValueError:
        return
    if exchange.path.endswith("/reviews"):
        product = exchange.path.split("/")[2]
        rows = tables.products(f"where id = {int(product)}")
        stored = [one for row in rows or [] for one in row["reviews"] if one["id"] == content.get("id")]
    else:
        stored = tables.products(f"where id = {int(content.get('id', 0))}") or []
    if stored:
        yield "API.5", difference(content, stored[0])
        yield "API.5", lost_field(known_fields(exchange, sent), stored[0])


def known_fields(exchange: Exchange, sent: dict[str, Any]) -> dict[str, Any]:
    """The fields that this write knows; all others are ignored."""
    known = OF_A_REVIEW if exchange.path.endswith("/reviews") else OF_A_PRODUCT
    if exchange.method == "PUT":
        known |= {"reserved"}
    return {name: value for name, value in sent.items() if name in known}


def lost_field(sent: dict[str, Any], stored: dict[str, Any]) -> str | None:
    """A field that was sent and is not what is stored."""
    inventory = stored.get("inventory") or {}
    flat = {**stored, **inventory, "category_id": stored.get("category", {}).get("id")}
    flat["author_id"] = stored.get("author", {}).get("id")
    for name, value in sent.items():
        if name in flat and not is_stored(name, value, flat[name]):
            return f"{name} was sent as {value!r:.60}, stored is {flat[name]!r:.60}"
    return None


def is_stored(name: str, sent: Any, stored: Any) -> bool:
    """Whether a value is what was sent, prices as numbers."""
    if name == "price":
        try:
            return Decimal(str(sent)) == Decimal(str(stored))
        except InvalidOperation:
            return False
    return bool(sent == stored)
