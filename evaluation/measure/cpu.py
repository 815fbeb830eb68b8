"""Measures what a warm page costs the server in CPU time, beside a server of as many ready bytes."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import choice, randint, sample
from secrets import token_hex
from typing import Any

from evaluation.errors import CandidateError, InfrastructureError
from evaluation.measure.exchanges import content_of
from evaluation.measure.minute import CATEGORIES, relative
from evaluation.measure.rounds import run_client
from evaluation.measure.scenarios import FIRST_PAGE, gets
from evaluation.measure.under_load import broken_lines_of_others, broken_under_load, read_between
from evaluation.records import Broken, CpuCost
from evaluation.serving.connection import AnswerError, Connection
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage

SCENARIO = "warm_page"
CLIENTS = 20
ROUND_S = 0.25
LONG_ROUNDS = ((4, 4.0, 30_000), (300, 2.0, 15_000))
"""Clients, seconds and requests: what a process does from some thousandth request on, on one connection or on
all together, or while hundreds ask, it does here, as far as it gets in that time.
"""
SELDOM = 50
OTHERS, TIMES_EACH = 30, 4
"""How many other listings are asked for in a round, and how often each."""
PATIENCE_S = 1.0
COMPARISONS = 3
FIRST_S = 2.0
"""How long the first page, still cold, may keep silent."""
SLOW_S = 0.5
"""A candidate whose first page takes longer is asked by one client, once; twenty would get nothing."""
ANSWERED = ("200", "304")
KEEP_NONE = 1
"""A client keeps the body of every request whose number leaves the rest 1; dividing by 1 leaves no rest."""


def measure_cpu(stage: Stage, candidate: Path) -> tuple[CpuCost, tuple[Broken, ...]]:
    """The CPU time of a warm first page, and of as many bytes from the null server, in one run.

    The candidate's process has no probe in it, and neither has the null server. Told beside it are criteria
    that the process was seen to break meanwhile.
    """
    with stage.serving(candidate, options=("--without-probe",)) as server:
        try:
            size, first_s = first_page(server)
        except AnswerError as error:
            failure = "timeout" if isinstance(error.__cause__, TimeoutError) else str(error)
            return CpuCost(SCENARIO, 0, None, None, {failure: 1}), ()
        is_slow = first_s > SLOW_S
        clients = 1 if is_slow else CLIENTS

        def best_with(clients: int, asked: Asked) -> CpuCost:
            return best_of(partial(compared, stage, server, clients, asked), is_slow=is_slow)

        # Work that is shared by all who ask at once is not shared where one asks after the other.
        page = Asked((FIRST_PAGE,), size)
        costs = [best_with(number, page) for number in dict.fromkeys((clients, 1))]
        if not is_slow:
            costs.append(best_with(clients, Asked((in_more_words(FIRST_PAGE),), size)))
            with suppress(AnswerError):
                costs.append(best_with(clients, other_listings(server)))
        cost = dearest(costs)
        crowd = asked_by_crowds(stage, server, alone=is_slow)
        answered = cost.requests + crowd.answered
        broken = broken_under_load(stage, server, answered, crowd.between, clients)
        return cost, (*broken, *broken_lines_of_others(server, crowd.others, crowd.others_unanswered))


@dataclass(frozen=True, slots=True)
class Asked:
    """Warm listings that are asked for in turn, their mean bytes as sent; how many requests are enough."""

    targets: tuple[str, ...]
    size: int
    enough: int | None = None


@dataclass(slots=True)
class Crowd:
    """What the long rounds saw: answers with the first page, bodies checked and wrong between writes, and
    other paths with how many of them got no answer.
    """

    answered: int = 0
    between: tuple[int, int] = (0, 0)
    others: list[str] = field(default_factory=list)
    others_unanswered: int = 0


def asked_by_crowds(stage: Stage, server: Server, *, alone: bool) -> Crowd:
    """Ask for the first page in long rounds, by one client if `alone`, while products are renamed."""
    seen = Crowd()
    for clients, seconds, most in LONG_ROUNDS:
        requests = with_others([FIRST_PAGE] * most)
        many = {"requests": gets(requests), "seconds": seconds, "stop_after": most}
        with ThreadPoolExecutor(1) as beside:
            load = beside.submit(run_client, [plan(server, 1 if alone else clients) | many])
            checked, wrong = read_between(stage, server, load)
            [result] = load.result()
        others = [path for path in requests[: result["sent"]] if path != FIRST_PAGE]
        seen.answered += checked + sum(result["outcomes"].get(name, 0) for name in ANSWERED)
        seen.between = seen.between[0] + checked, seen.between[1] + wrong
        seen.others += others
        seen.others_unanswered += len(others) - result["outcomes"].get("404", 0)
    return seen


def other_listings(server: Server) -> Asked:
    """Listings that are all that a first page is not, filtered and further on, made warm.

    Each is asked for a few times only: what is done for the first answers of a page is done for most pages.
    """
    targets, bytes_sent = [], 0
    with closing(Connection(server.port, FIRST_S)) as connection:
        for category in sample(range(1, CATEGORIES + 1), OTHERS):
            target = f"/products?limit={randint(60, 100)}&category_id={category}"
            target += choice(("", "&is_active=false"))
            link = content_of(connection.get(target).body()).get("next")
            targets.append(relative(link) if isinstance(link, str) else target)
            bytes_sent += max(len(connection.get(targets[-1]).sent) for _ in range(2))
    return Asked(tuple(targets), bytes_sent // OTHERS, enough=OTHERS * TIMES_EACH)


def in_more_words(target: str) -> str:
    """The same listing, with a parameter that says nothing to a catalog, as those who advertise add them."""
    return f"{target}&utm_campaign={token_hex(randint(100, 200))}"


def with_others(paths: list[str]) -> list[str]:
    """The paths, with one that nobody else asks for and that leads nowhere in the place of each of SELDOM."""
    return [path if number % SELDOM else f"/elsewhere/{token_hex(6)}" for number, path in enumerate(paths)]


def first_page(server: Server) -> tuple[int, float]:
    """Ask for the first page, which is warm from then on; return its bytes as sent, and how long it took."""
    with closing(Connection(server.port, FIRST_S)) as connection:
        answer = connection.get(FIRST_PAGE)
    return len(answer.sent), answer.ms / 1000


@dataclass(frozen=True, slots=True)
class CpuRound:
    """What one server answered in a round, and the CPU time that it and all that it started used."""

    outcomes: dict[str, int]
    used_us: float

    @property
    def answers(self) -> int:
        """How many requests were answered with the page."""
        return sum(self.outcomes.get(name, 0) for name in ANSWERED)

    def us_per_answer(self) -> float | None:
        """Microseconds of CPU time for each answer; None without one."""
        return round(self.used_us / self.answers, 2) if self.answers else None


def best_of(compare: Callable[[bool], CpuCost], *, is_slow: bool) -> CpuCost:
    """The cheapest of a few comparisons: a busy machine makes an answer dearer, and never cheaper.

    There is no other after one without an answer.
    """
    found = [compare(False)]
    while found[-1].requests and len(found) < COMPARISONS and not is_slow:
        found.append(compare(len(found) % 2 == 1))
    answered = [one for one in found if one.ratio is not None]
    return with_all(min(answered or found, key=lambda one: one.ratio or 0.0), found)


def dearest(found: Sequence[CpuCost]) -> CpuCost:
    """The one that is furthest from the null server's; one without an answer, if there is one."""
    unanswered = [one for one in found if one.ratio is None]
    return with_all(max(unanswered or found, key=lambda one: one.ratio or 0.0), found)


def with_all(cost: CpuCost, found: Sequence[CpuCost]) -> CpuCost:
    """A cost with the requests and outcomes of all that were found."""
    outcomes = sum((Counter(one.outcomes) for one in found), Counter[str]())
    return replace(cost, requests=sum(one.requests for one in found), outcomes=dict(outcomes))


def compared(stage: Stage, server: Server, clients: int, asked: Asked, null_first: bool) -> CpuCost:
    """One round of the candidate and of the null server."""
    null = null_beside(stage, server, clients, asked) if null_first else None
    candidate = cpu_round(server, clients, asked)
    null = null or null_beside(stage, server, clients, asked)
    if not null.answers:
        raise InfrastructureError(f"the null server did not answer: {null.outcomes}")
    null_us, candidate_us = null.us_per_answer(), candidate.us_per_answer()
    return CpuCost(SCENARIO, candidate.answers, candidate_us, null_us, candidate.outcomes, clients)


def null_beside(stage: Stage, server: Server, clients: int, asked: Asked) -> CpuRound:
    """One round of a null server that sends as many bytes.

    The candidate stands still from before its start to its end, and cannot keep it busy.
    """
    null_server = ("--null", str(asked.size))
    with paused(family(server)), stage.serving(server.directory, options=null_server) as null:
        return cpu_round(null, clients, asked)


def cpu_round(server: Server, clients: int, asked: Asked) -> CpuRound:
    """Ask for warm listings with so many clients."""
    before = cpu_us(server)
    rounds = {"requests": gets([*asked.targets]), "stop_after": asked.enough}
    [result] = run_client([plan(server, clients) | rounds])
    return CpuRound(result["outcomes"], cpu_us(server) - before)


def plan(server: Server, clients: int) -> dict[str, Any]:
    """The plan of one round: every client asks for the first page over and over."""
    return {
        "ports": [server.port],
        "clients": clients,
        "requests": gets([FIRST_PAGE]),
        "seconds": ROUND_S,
        "patience_s": PATIENCE_S,
        "keep_every": KEEP_NONE,
    }


def cpu_us(server: Server) -> float:
    """CPU time of the worker and of all that it started so far, ended threads and children included.

    /proc counts in ticks of 10 ms, which is enough for children that have ended. The number of a process's
    clock is that of clock_getcpuclockid(3).
    """
    try:
        used = time.clock_gettime_ns(~server.process.pid << 3 | 2) / 1000
    except OSError as error:
        raise CandidateError(f"the candidate has ended:\n{server.log_text()[-2000:]}") from error
    for pid in family(server):
        with suppress(OSError):
            used += ended_children_us(pid)
            if pid != server.process.pid:
                used += time.clock_gettime_ns(~pid << 3 | 2) / 1000
    return used


def ended_children_us(pid: int) -> float:
    """CPU time of the children of a process that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK") * 1e6


def family(server: Server) -> list[int]:
    """The worker and all that it started: orphans are children of its supervisor."""
    try:
        fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return descendants(int(fields[1]))


def descendants(pid: int) -> list[int]:
    """Every process that descends from another."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *descendants(child)]
    return found


@contextmanager
def paused(pids: list[int]) -> Iterator[None]:
    """Let processes stand still while the block runs."""
    try:
        signalled(pids, signal.SIGSTOP)
        yield
    finally:
        signalled(pids, signal.SIGCONT)


def signalled(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to processes, those that have ended apart."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
