"""The CPU time of a warm page is measured beside the null server, also of candidates that hardly answer."""

import re
from pathlib import Path

from evaluation.candidates.folder import copied
from evaluation.judge.cpu import is_cheap
from evaluation.measure.cpu import measure_cpu
from evaluation.serving.workbench import Stage

ROOT = Path(__file__).parents[2]
REFERENCE, BASELINE = ROOT / "repository_after", ROOT / "repository_before"

WRAPPED = """
import time
_served = app
asked = 0
async def app(scope, receive, send):
    global asked
    if scope.get("path") == "/products":
        asked += 1
        {before}
    await _served(scope, receive, send)
"""


def variant(tmp_path: Path, before: str) -> Path:
    """The reference, which does something before it answers a listing."""
    made = copied(REFERENCE, tmp_path / "variant")
    with (made / "main.py").open("a") as main:
        main.write(WRAPPED.format(before=before))
    tmp_path.chmod(0o755)
    return made


def test_a_warm_page_of_the_reference_is_cheap(stage: Stage) -> None:
    cost, broken = measure_cpu(stage, REFERENCE)

    assert broken == ()
    assert is_cheap([cost]), cost
    assert set(cost.outcomes) == {"200"}
    assert cost.requests > 100, cost


def test_cpu_time_that_a_warm_page_needs_is_found(stage: Stage, tmp_path: Path) -> None:
    # A slow machine's null server was seen to need 0.12 ms; a hundred times as much is still too much.
    burns = "until = time.thread_time() + 0.02\n        while time.thread_time() < until: pass"

    cost, _ = measure_cpu(stage, variant(tmp_path, burns))

    assert cost.candidate_us is not None
    assert cost.candidate_us > 20_000
    assert not is_cheap([cost])


SHARES = """
import asyncio
import time
_served, running = app, None
def burn():
    until = time.thread_time() + 0.02
    while time.thread_time() < until: pass
async def app(scope, receive, send):
    global running
    if scope.get("path") == "/products":
        if running is None or running.done():
            running = asyncio.ensure_future(asyncio.to_thread(burn))
        await running
    await _served(scope, receive, send)
"""


def test_cpu_time_that_is_shared_by_all_who_ask_at_once_is_found(stage: Stage, tmp_path: Path) -> None:
    made = variant(tmp_path, "pass")
    (made / "main.py").write_text((REFERENCE / "main.py").read_text() + SHARES)

    cost, _ = measure_cpu(stage, made)

    assert not is_cheap([cost]), cost


REPEATS = """
_served, kept = app, []
async def app(scope, receive, send):
    is_page = scope.get("path") == "/products"
    if is_page and len(kept) > 1:
        for message in kept:
            await send(message)
        return
    async def keep(message):
        is_page and kept.append(message)
        await send(message)
    await _served(scope, receive, keep)
"""


def test_a_candidate_that_repeats_an_answer_under_load_is_found(stage: Stage, tmp_path: Path) -> None:
    made = variant(tmp_path, "pass")
    (made / "main.py").write_text((REFERENCE / "main.py").read_text() + REPEATS)

    cost, broken = measure_cpu(stage, made)

    assert is_cheap([cost]), cost
    assert [one.criterion for one in broken] == ["R16.1", "API.6"], broken
    told = re.fullmatch(r"1 lines in the log for (\d+) requests under load", broken[0].message)
    # Besides those of the comparison there are more, for what a process does after some thousands.
    assert told, broken[0].message
    assert int(told[1]) > cost.requests


def test_lines_that_are_repeated_in_the_place_of_others_are_found(stage: Stage, tmp_path: Path) -> None:
    made = copied(REFERENCE, tmp_path / "variant")
    timing = made / "timing.py"
    source = timing.read_text()
    line = "lines, self.lines = self.lines, []\n"
    assert line in source
    few = f"{line}        lines = lines[:100] + [lines[0]] * (len(lines) - 100)\n"
    timing.write_text(source.replace(line, few))
    tmp_path.chmod(0o755)

    _, broken = measure_cpu(stage, made)

    assert {one.criterion for one in broken} == {"R16.1"}, broken
    assert "each for another path, have no line in the log: GET /elsewhere/" in broken[-1].message


def test_the_baseline_is_found_costly(stage: Stage) -> None:
    cost, _ = measure_cpu(stage, BASELINE)

    assert not is_cheap([cost])
    assert (cost.ratio or 1000) > 100, cost


def test_a_candidate_that_falls_silent_is_recorded(stage: Stage, tmp_path: Path) -> None:
    silent = variant(tmp_path, "asked > 1 and await __import__('asyncio').sleep(60)")

    cost, _ = measure_cpu(stage, silent)

    assert (cost.requests, cost.candidate_us) == (0, None)
    assert set(cost.outcomes) == {"timeout"}
    assert not is_cheap([cost])


def test_a_candidate_that_never_answers_is_recorded(stage: Stage, tmp_path: Path) -> None:
    silent = variant(tmp_path, "await __import__('asyncio').sleep(60)")

    cost, _ = measure_cpu(stage, silent)

    assert cost.outcomes == {"timeout": 1}
    assert not is_cheap([cost])
