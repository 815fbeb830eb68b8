"""What passes between a candidate and its services: statements, their plans, and commands.

Postgres: https://www.postgresql.org/docs/current/protocol-message-formats.html. Redis: RESP.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

ENCRYPTION_REQUESTS = (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"\x00\x00\x00\x08\x04\xd2\x16\x30")
"""SSLRequest and GSSENCRequest: they are refused, for the relay cannot read encrypted traffic."""
DECLARED = re.compile(r'\s*declare\s+(?:"([^"]+)"|(\w+))', re.IGNORECASE)
"""A statement that opens a cursor."""
ROLLED_BACK = re.compile(r"\s*(?:rollback|abort)(?:\s+(?:work|transaction))?[\s;]*", re.IGNORECASE)
"""The end of a whole transaction: a cursor may be read on after ROLLBACK TO a savepoint."""


class Wire(Protocol):
    """One connection, as it is seen from between.

    What ends in it is added to a log, its plan to `plans`, and what has failed to `failures` as well.
    """

    def __init__(self, log: list[str], plans: list[str], failures: list[str]) -> None: ...

    def from_client(self, chunk: bytes) -> tuple[bytes, bytes]:
        """What to pass on to the server, and what to answer in its place."""

    def from_server(self, chunk: bytes) -> bytes:
        """Take note of an answer, and say what to pass on to the client."""

    def is_busy(self) -> bool:
        """Whether an answer is due or a transaction is open."""


class Messages:
    """Cuts a stream into messages: a letter, a length, a body. Those that nobody wants are not kept."""

    def __init__(self, wanted: bytes) -> None:
        self.wanted = frozenset(wanted)
        self.rest = b""
        self.skipped = 0

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes, bytes]]:
        """The wanted messages that end in this chunk: letter, body, and all bytes; what is between, as bytes.

        All bytes together are the stream, but for a wanted message that has not ended yet.
        """
        if self.skipped:
            yield "", b"", chunk[: self.skipped]
        stream = self.rest + chunk[self.skipped :]
        self.skipped = max(0, self.skipped - len(chunk))
        at, size = 0, len(stream)
        while size - at >= 5:
            end = at + 1 + int.from_bytes(stream[at + 1 : at + 5])
            if stream[at] in self.wanted:
                if end > size:
                    break
                yield chr(stream[at]), stream[at + 5 : end], stream[at:end]
            else:
                yield "", b"", stream[at:end]
            at = end
        self.rest = stream[at:]
        self.skipped += max(0, at - size)


@dataclass(frozen=True, slots=True)
class Due:
    """An answer that the server owes: to which message, about which statement and portal."""

    kind: str
    text: str
    portal: bytes = b""
    is_ours: bool = False


class PostgresWire:
    """A connection to Postgres: every statement is logged when it has ended or failed.

    A cursor that is read bit by bit is one statement, as it is in pg_stat_statements. The plans that Postgres
    sends where it is told to (`plans.py`) are kept here; the client does not get them. Of a cursor that is
    open at a ROLLBACK, Postgres tells neither plan nor rows: it is closed before one.
    """

    def __init__(self, log: list[str], plans: list[str], failures: list[str]) -> None:
        self.log, self.plans, self.failures = log, plans, failures
        self.startup: bytes | None = b""
        self.client, self.server = Messages(b"QPBEFSC"), Messages(b"123CINsEVZ")
        self.due: deque[Due] = deque()
        self.prepared: dict[bytes, str] = {}
        self.portals: dict[bytes, str] = {}
        self.cursors: set[bytes] = set()
        self.completions = 0
        self.in_transaction = False

    def is_busy(self) -> bool:
        """Whether an answer is due or a transaction is open."""
        return bool(self.due) or self.in_transaction

    def from_client(self, chunk: bytes) -> tuple[bytes, bytes]:
        """Follow the messages of the client; before the first, a request for encryption is refused."""
        refusal = b""
        if self.startup is not None:
            chunk = self.startup + chunk
            while chunk[:8] in ENCRYPTION_REQUESTS:
                chunk, refusal = chunk[8:], refusal + b"N"
            if len(chunk) < 8 or len(chunk) < int.from_bytes(chunk[:4]):
                self.startup = chunk
                return b"", refusal
            self.startup = None
            size = int.from_bytes(chunk[:4])
            return chunk[:size] + self.requests(chunk[size:]), refusal
        return self.requests(chunk), refusal

    def requests(self, chunk: bytes) -> bytes:
        """Remember what the server has to answer, in order; what to pass on."""
        passed_on = []
        for kind, body, sent in self.client.feed(chunk):
            if kind:
                due = self.due_for(kind, body)
                if self.cursors and ROLLED_BACK.fullmatch(due.text):
                    passed_on += [closing(name) for name in self.cursors]
                    self.due += [Due("C", "", is_ours=True)] * len(self.cursors)
                    self.cursors.clear()
                self.due.append(due)
            passed_on.append(sent)
        return b"".join(passed_on)

    def due_for(self, kind: str, body: bytes) -> "Due":
        """What the server has to answer to a message."""
        names = body.split(b"\0", 2)
        text = ""
        match kind:
            case "Q":
                text = names[0].decode(errors="replace")
            case "P":
                text = self.prepared[names[0]] = names[1].decode(errors="replace")
            case "B":
                text = self.portals[names[0]] = self.prepared.get(names[1], "")
            case "E":
                # What is read later from the same portal is no other statement.
                text = self.portals.get(names[0], "")
                self.portals[names[0]] = ""
        return Due(kind, text, names[0] if kind == "E" else b"")

    def from_server(self, chunk: bytes) -> bytes:
        """Log what has ended."""
        passed_on = []
        for kind, body, sent in self.server.feed(chunk):
            if kind == "N" and (plan := plan_in(body)):
                self.plans.append(plan)
                continue
            if kind == "3" and self.due and self.due[0].is_ours:
                self.due.popleft()
                continue
            passed_on.append(sent)
            if kind and kind != "N":
                self.note_answer(kind, body)
        return b"".join(passed_on)

    def note_answer(self, kind: str, body: bytes) -> None:
        """Log what has ended with this message."""
        if kind == "Z":
            self.end_of_request(body)
        elif not self.due:
            pass  # A message about the session as a whole.
        elif kind == "E":
            self.failed()
        elif self.due[0].kind in "QF":
            self.completions += kind in "CV"
        else:
            done = self.due.popleft()
            if done.portal:
                self.cursors.add(done.portal)
            if done.text and kind in "Cs":
                self.ended(done.text)

    def ended(self, text: str) -> None:
        """Log a statement, and keep the name of a cursor that it has opened."""
        self.log.append(text)
        if opened := DECLARED.match(text):
            self.cursors.add((opened[1] or opened[2].lower()).encode())

    def failed(self) -> None:
        """A statement failed; the server leaves out what follows it in the same request."""
        kind, text = self.due[0].kind, self.due[0].text
        self.failures.append(text)
        if kind in "QF":
            self.completions += 1
            return
        self.log += [text] if text else []
        while self.due and self.due[0].kind != "S":
            self.due.popleft()

    def end_of_request(self, status: bytes) -> None:
        """The server is ready for the next request: log the statements of a text that held several."""
        self.in_transaction = status != b"I"
        if self.due:
            for text in statements_in(self.due.popleft().text, self.completions):
                self.ended(text)
            self.completions = 0
        if not self.in_transaction:
            self.cursors.clear()


def closing(portal: bytes) -> bytes:
    """The message that closes a portal, which may be a cursor."""
    body = b"P" + portal + b"\0"
    return b"C" + (4 + len(body)).to_bytes(4) + body


def statements_in(text: str, completions: int) -> list[str]:
    """The statements of a text of which so many have ended; the whole text for each if it cannot be cut.

    A semicolon in a constant or a comment makes one piece more than there are statements.
    """
    pieces = [piece.strip() for piece in text.split(";") if piece.strip()]
    return pieces if len(pieces) == completions else [text] * completions


def plan_in(notice: bytes) -> str | None:
    """The plan that auto_explain sends in a notice; None for any other notice."""
    fields = {field[:1]: field[1:] for field in notice.split(b"\0") if field}
    head, is_plan, plan = fields.get(b"M", b"").partition(b" plan:\n")
    is_plan_of_ours = is_plan and fields.get(b"V") == b"INFO" and head.startswith(b"duration: ")
    return plan.decode(errors="replace") if is_plan_of_ours else None


class RedisWire:
    """A connection to Redis: the name of every command is logged when it is passed on."""

    def __init__(self, log: list[str], *_: list[str]) -> None:
        self.log = log
        self.rest = b""

    def is_busy(self) -> bool:
        """Commands are logged at once."""
        return False

    def from_client(self, chunk: bytes) -> tuple[bytes, bytes]:
        """Log the commands that end in this chunk."""
        self.rest += chunk
        while found := command_in(self.rest):
            name, end = found
            self.log.append(name)
            self.rest = self.rest[end:]
        return chunk, b""

    def from_server(self, chunk: bytes) -> bytes:
        """Answers are not looked at."""
        return chunk


def command_in(stream: bytes) -> tuple[str, int] | None:
    """The name of the first command in a stream, and where it ends; None when it has not ended yet."""
    head, newline, _ = stream.partition(b"\r\n")
    if not newline:
        return None
    at = len(head) + 2
    if not head.startswith(b"*"):
        return head.split(b" ")[0].decode(errors="replace").upper(), at
    name = ""
    for number in range(int(head[1:])):
        start = stream.find(b"\r\n", at) + 2
        if start < 2:
            return None
        end = start + int(stream[at + 1 : start - 2])
        if len(stream) < end + 2:
            return None
        name = name if number else stream[start:end].decode(errors="replace").upper()
        at = end + 2
    return name, at
