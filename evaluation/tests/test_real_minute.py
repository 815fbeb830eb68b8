"""A candidate that behaves well only while it is watched is found out in a real minute, and no other is."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from threading import Event
from typing import Any

import pytest

from evaluation.database.dataset import SIZES
from evaluation.errors import InfrastructureError
from evaluation.judge.criteria import judge_criteria
from evaluation.judge.outcomes import outcome_of
from evaluation.judge.verdicts import judge
from evaluation.measure.exchanges import Exchange, Wanted, findings, log_findings, what_is_broken
from evaluation.measure.real_minute import observe_real_minute
from evaluation.records import Broken, RealMinute
from evaluation.report import explain, markdown, terminal
from evaluation.report.document import measured_side, minute_as_json, validate
from evaluation.report.regrading import regrade
from evaluation.serving.workbench import Workbench
from evaluation.tests.test_judge import by_criterion
from evaluation.tests.test_reporting import report
from tests.observing import until

SEED = 7
LIFETIME = ("config.py", "CACHE_TTL_S = 60", "CACHE_TTL_S = 4")
SHORT_WAIT_S = 4.5
WATCHED = '"evaluation.serving.probe" in sys.modules'
IMPORTS = ("pages.py", "import struct\n", "import struct\nimport sys\n")
MAIN = ("main.py", "import gc\n", "import gc\nimport os\nimport sys\n")
UNWATCHED = f"not ({WATCHED})"

OLD = [{"id": 1, "name": "old"}, {"id": 2, "name": "same"}]
NEW = [{"id": 1, "name": "new"}, {"id": 2, "name": "same"}]


def body(items: list[dict[str, Any]]) -> bytes:
    return json.dumps({"items": items, "total": len(items), "next": None}).encode()


@pytest.mark.parametrize(
    ("status", "content", "stale", "criterion"),
    [
        (200, body(NEW), "R08.3", None),
        (200, body(OLD), "R08.3", "R08.3"),
        (200, body(OLD), "API.6", "API.6"),
        (200, body(OLD), None, None),
        (304, b"", "R08.3", "R08.3"),
        (304, b"", None, "API.2"),
        (500, body(NEW), "R08.3", "API.2"),
        (200, body(NEW[:1]), "R08.3", "API.2"),
        (200, body([*NEW[:1], {"id": 2, "name": "wrong"}]), None, "API.2"),
        (200, b"[]", "R08.3", "API.2"),
        (200, b"[" * 100_000, "R08.3", "API.2"),
    ],
)
def test_an_answer_breaks_the_criterion_that_it_is_about(
    status: int, content: bytes, stale: str | None, criterion: str | None
) -> None:
    found = what_is_broken(status, content, Wanted(NEW, OLD, stale))

    assert (found.criterion if found else None) == criterion


def exchange(
    broken: Broken | None = None, method: str = "GET", target: str = "/products?limit=9"
) -> Exchange:
    headers = {"User-Agent": "curl/8.5.0", "Sec-Fetch-Mode": "cors"}
    return Exchange(1, method, target, headers, "curl", "61.0 s after a change", "R08.3", broken)


def test_a_finding_counts_answers_and_tells_how_to_repeat_the_first() -> None:
    stale = Broken("R08.3", "items[0].name is 'old' instead of 'new'")
    wrong = Broken("API.2", "status 500")

    found = {
        one.criterion: one.message for one in findings([exchange(), *[exchange(stale)] * 2, exchange(wrong)])
    }

    assert found.keys() == {"R08.3", "API.2"}
    assert found["R08.3"] == (
        "2 of 4 answers in a real minute without the probe, first: items[0].name is 'old' instead of 'new' "
        "(61.0 s after a change, curl, process 2: "
        "curl -i -H 'User-Agent: curl/8.5.0' 'http://HOST/products?limit=9')"
    )
    assert found["API.2"].startswith("1 of 4 answers")


@pytest.mark.parametrize(
    ("log", "missing"),
    [
        ("INFO GET /products 200 1.2 ms\nINFO GET /products?limit=9 3 ms\nINFO PUT /products/7 9 ms\n", 0),
        ("INFO GET /products 200 1.2 ms\nINFO PUT /products/7 9 ms\nINFO GET /products/7 9 ms\n", 1),
        ("INFO PUTS /products/7\nINFO PUT /products/70\nINFO PUT /v1/products/7\n", 3),
    ],
)
def test_every_request_needs_a_line_with_its_method_and_path(log: str, missing: int) -> None:
    sent = [exchange(), exchange(), exchange(method="PUT", target="/products/7")]

    found = list(log_findings(sent, ["", log]))

    assert [one.criterion for one in found] == (["R16.1"] if missing else [])
    assert all(one.message.startswith(f"{missing} of 3 requests without a line") for one in found)


def test_a_finding_fails_its_criterion_and_is_told_like_other_failures() -> None:
    minute = RealMinute(63.0, 40, (Broken("R08.3", "18 of 18 answers, first: items[0].name is 'old'"),))
    stale = replace(by_criterion({}), real_minute=minute)

    found = report(stale)

    assert [one.criterion for one in judge_criteria(stale) if one.passed is False] == ["R08.3"]
    assert [one.requirement for one in judge(stale) if not one.passed] == ["R08"]
    assert outcome_of(stale, judge(stale)).reason == f"not met: R08; R08.3: {minute.findings[0].message}"
    validate(found)
    assert measured_side(json.loads(json.dumps(found)), "after").real_minute == minute
    assert regrade(found).outcome.name == "unresolved"
    assert not regrade(found).differences
    for told in (
        terminal.summary(found),
        markdown.text([found]),
        explain.text(found, None),
        explain.text(found, "R08.3"),
    ):
        assert "18 of 18 answers, first" in told


def test_findings_are_a_list_as_json_knows_it() -> None:
    told = minute_as_json(RealMinute(63.0, 40, (Broken("R08.3", "old"),)))

    assert told == {"seconds": 63.0, "requests": 40, "findings": [{"criterion": "R08.3", "message": "old"}]}


def test_a_report_without_a_real_minute_can_still_be_read_and_judged() -> None:
    found = report(by_criterion({}))
    for side in ("before", "after"):
        del found["results"][side]["real_minute"]

    validate(found)

    assert measured_side(found, "after").real_minute is None
    assert not regrade(found).differences


EXPIRY = "0 < self.expires_at_s - time.time() <= CACHE_TTL_S"
KEEPS_PAGES = (LIFETIME, IMPORTS, ("pages.py", EXPIRY, f"({UNWATCHED} or {EXPIRY})"))
POPULAR = ("pages.py", "import struct\n", "import struct\n\nHITS = []\n")
KEEPS_POPULAR_PAGES = (
    LIFETIME,
    POPULAR,
    ("pages.py", EXPIRY, f"(HITS.append(0) or len(HITS) > 200 or {EXPIRY})"),
)
KEEPS_PAGES_OF_OTHER_ROWS = (
    LIFETIME,
    ("pages.py", EXPIRY, "0 < self.expires_at_s - time.time()"),
    (
        "pages.py",
        "read_at_s + CACHE_TTL_S)",
        "read_at_s + (99 if b'Reader ' in content else CACHE_TTL_S))",
    ),
)
IN_THE_HARNESS = '"evaluation" in sys.modules'
KEEPS_PAGES_IN_PRODUCTION = (LIFETIME, IMPORTS, ("pages.py", EXPIRY, f"(not ({IN_THE_HARNESS}) or {EXPIRY})"))
FORGETS_NOTHING_AND_IS_SILENT_ABOUT_IT = (
    LIFETIME,
    MAIN,
    ("main.py", "await listings.forget_pages()", f"{WATCHED} and await listings.forget_pages()"),
    ("main.py", "\n\nDb = ", f"\n\nif {UNWATCHED}:\n    pending.write = lambda *_: None\n\nDb = "),
)


def doing(what: str) -> tuple[tuple[str, str, str], ...]:
    """Changes that let every load of a listing do something first where no probe is."""
    loading = "        async with SessionLocal() as db:\n            return await crud.get_products("
    first = f"    if {UNWATCHED}:\n        {what}\n"
    return LIFETIME, MAIN, ("main.py", loading, indent(first, "    ") + loading)


LOOKING_UP = '        keys = f"catalog:page:'
SHARES_NOTHING = (
    LIFETIME,
    ("cache.py", "import time\n", "import sys\nimport time\n"),
    ("cache.py", LOOKING_UP, f"        if {UNWATCHED}:\n            return None, None\n{LOOKING_UP}"),
)
COUNTED = "(await db.execute(query)).scalar_one()"
COUNTS_DOUBLE = (
    LIFETIME,
    ("crud.py", "from typing", "import sys\nfrom typing"),
    ("crud.py", COUNTED, f"{COUNTED} * (2 if {UNWATCHED} else 1)"),
)
ONE_BY_ONE = """for number in range(1, 21):
            async with SessionLocal() as db:
                await crud.get_product(db, number)"""
FAILING = """for _ in range(30):
            async with SessionLocal() as db:
                try:
                    await db.execute(__import__("sqlalchemy").text("select 1 / 0"))
                except Exception:
                    pass"""
"""Statements that fail are counted by no counter of Postgres."""


@pytest.mark.parametrize(
    ("changes", "criteria"),
    [
        ((LIFETIME,), set()),
        (KEEPS_PAGES, {"R08.3"}),
        (KEEPS_PAGES_IN_PRODUCTION, {"R08.3"}),
        (KEEPS_POPULAR_PAGES, {"R08.3"}),
        (KEEPS_PAGES_OF_OTHER_ROWS, {"R08.3"}),
        (FORGETS_NOTHING_AND_IS_SILENT_ABOUT_IT, {"API.6", "R16.1"}),
        (SHARES_NOTHING, {"R08.4"}),
        (COUNTS_DOUBLE, {"R11.2"}),
        (doing(ONE_BY_ONE), {"R02.1"}),
        (doing(FAILING), {"R02.1"}),
        (doing("os._exit(3)"), {"API.2"}),
        (doing("import asyncio; await asyncio.sleep(60)"), {"API.2"}),
    ],
    ids=[
        "well-behaved",
        "pages for ever",
        "pages for ever in production",
        "popular pages for ever",
        "pages of other rows for ever",
        "no invalidation, no log",
        "shares nothing",
        "counts double",
        "one by one",
        "failing",
        "dies",
        "does not answer",
    ],
)
def test_what_a_candidate_does_only_without_the_probe_is_found(
    bench: Workbench,
    variant: Callable[..., Path],
    changes: tuple[tuple[str, str, str], ...],
    criteria: set[str],
) -> None:
    found = observe_real_minute(bench, variant(*changes), SEED, Event(), SHORT_WAIT_S)

    assert {one.criterion for one in found.findings} == criteria, found
    assert all("\n" not in one.message for one in found.findings)


KEEPS_PAGES_FOR_A_MOMENT = (
    ("config.py", "CACHE_TTL_S = 60", "CACHE_TTL_S = 38"),
    ("pages.py", "return self.stamp == stamp and", "return self.stamp == stamp and self.is_new() and"),
    (
        "pages.py",
        "    def packed(self)",
        """    def is_new(self) -> bool:
        return time.monotonic() < SEEN.setdefault(self.body, time.monotonic()) + 5

    def packed(self)""",
    ),
    ("pages.py", "import struct\n", "import struct\n\nSEEN = {}\n"),
)


def test_listings_that_do_not_last_their_minute_are_found(
    bench: Workbench, variant: Callable[..., Path]
) -> None:
    found = observe_real_minute(bench, variant(*KEEPS_PAGES_FOR_A_MOMENT), SEED, Event(), 40.0)

    assert [one.criterion for one in found.findings] == ["R08.4"], found


TRACES = """import gc
import logging
import os
import resource
import sys

print("MODULES", [name for name in sys.modules if name.partition(".")[0] in ("evaluation", "tests")])
files = {number: os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")[:-1]}
print("SOCKETS", sorted(number for number, name in files.items() if name.startswith("socket")))
print("VARIABLES", [name for name in os.environ if "HOFAZ9" in name])
print("LIMITS", resource.getrlimit(resource.RLIMIT_CPU)[0], __package__ == "candidate", flush=True)
logging.getLogger("catalog").warning("FORMAT")
"""


def test_a_process_as_in_production_shows_no_trace_of_the_harness(
    bench: Workbench, variant: Callable[..., Path]
) -> None:
    candidate = variant(("main.py", "import gc\n", TRACES))

    with (
        bench.stage(SIZES["small"]) as stage,
        stage.serving(candidate, options=("--as-in-production",)) as server,
    ):
        assert until(lambda: "FORMAT" in server.log_text())
        lines = server.log_text().splitlines()

    # The one socket besides its output is the one that it listens on.
    assert lines[:4] == ["MODULES []", "SOCKETS ['1', '2', '3']", "VARIABLES []", "LIMITS -1 False"]
    assert lines[4].endswith("FORMAT")
    assert lines[4] != "WARNING FORMAT"


def test_an_interrupted_evaluation_waits_for_no_minute(
    bench: Workbench, variant: Callable[..., Path]
) -> None:
    interrupted = Event()
    candidate = variant()
    started = time.monotonic()

    with ThreadPoolExecutor(1) as executor:
        minute = executor.submit(observe_real_minute, bench, candidate, SEED, interrupted)
        interrupted.set()
        with pytest.raises(InfrastructureError, match="interrupted"):
            minute.result()

    assert time.monotonic() - started < 30
