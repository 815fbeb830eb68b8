"""Runs the black-box suite against one candidate, in separate processes."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from evaluation.errors import CandidateTimeoutError, InfrastructureError
from evaluation.records import CaseResult, SuiteRun
from evaluation.services import tied

ROOT = Path(__file__).parents[2]
DEADLINE_S = 2_400
SHARES = 4
"""More than this machine's two cores, because tests often wait."""
SECONDS = {
    "timing": 156,
    "hundreds": 136,
    "redis_faults": 122,
    "connections": 114,
    "sessions": 104,
    "statements": 77,
    "transport": 72,
    "blocking": 70,
    "input": 62,
    "cache": 61,
    "walk": 38,
    "freshness": 35,
    "large": 28,
}
"""Seconds that the longest files took on baseline and reference; they decide only which share runs a file."""
OTHER_S = 13
PRINTED_CHARACTERS = 4_000
IN_EVERY_SHARE = "tests/test_audit.py"
"""This file checks the exchanges of all other tests in its own process."""
WORST_FIRST = ("error", "failed", "skipped", "passed")


def run_suite(candidate: Path, postgres_url: str, redis_url: str, folder: Path, seed: int) -> SuiteRun:
    """Run every test of `tests/` on the candidate; the files are divided among SHARES processes."""
    found = shares(sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("test_*.py")))

    def run(share: int) -> SuiteRun:
        return run_share(found[share], candidate, postgres_url, redis_url, folder, seed=seed)

    started = time.monotonic()
    with ThreadPoolExecutor(SHARES) as executor:
        runs = list(executor.map(run, range(SHARES)))
    return SuiteRun(
        max(run.exit_code for run in runs),
        merged(test for run in runs for test in run.tests),
        time.monotonic() - started,
        seed,
        "".join(run.stdout for run in runs),
        "".join(run.stderr for run in runs),
    )


def shares(files: list[str]) -> list[list[str]]:
    """The files of each process, as long as one another: each file in one of them, IN_EVERY_SHARE in each."""
    divided: list[list[str]] = [[] for _ in range(SHARES)]
    for file in sorted(set(files) - {IN_EVERY_SHARE}, key=seconds, reverse=True):
        min(divided, key=lambda share: sum(map(seconds, share))).append(file)
    last = [IN_EVERY_SHARE] if IN_EVERY_SHARE in files else []
    return [[*share, *last] for share in divided]


def seconds(file: str) -> int:
    """How long the tests of a file take, as far as it is known."""
    return SECONDS.get(Path(file).stem.removeprefix("test_"), OTHER_S)


def merged(tests: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """One result for each test: the worst outcome of its runs, with all their messages."""
    found: dict[str, CaseResult] = {}
    for test in tests:
        first = found.get(test.nodeid, test)
        outcome = min(first.outcome, test.outcome, key=WORST_FIRST.index)
        messages = dict.fromkeys(filter(None, (first.message, test.message)))
        found[test.nodeid] = replace(
            first,
            outcome=outcome,
            message="\n\n".join(messages),
            duration_seconds=max(first.duration_seconds, test.duration_seconds),
        )
    return tuple(found.values())


def run_share(
    files: list[str],
    candidate: Path,
    postgres_url: str,
    redis_url: str,
    folder: Path,
    requirement: str | None = None,
    *,
    seed: int | None = None,
    is_stopped: bool = False,
) -> SuiteRun:
    """Run some files of the suite, or one requirement; the outcomes are read from a file, not from output.

    Without a seed, the order of the tests and their random examples are drawn anew. A run that is stopped
    ends with the first failure; the outcome of every test after it is an error.
    """
    with tempfile.TemporaryDirectory(prefix="suite-", dir=folder) as own:
        results = Path(own) / "results.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", *files, "-p", "no:cacheprovider"]
        command += ["--tb=short", f"--candidate={candidate}", f"--results={results}"]
        if requirement:
            command.append(f"--requirement={requirement}")
        if is_stopped:
            command.append("--exitfirst")
        if seed is not None:
            command += [f"--hypothesis-seed={seed}", f"--randomly-seed={seed}"]
        # pytest rewrites Hypothesis and the suite, which takes seconds unless it may keep what it compiled.
        inherited = {name: os.environ[name] for name in os.environ.keys() - {"PYTHONDONTWRITEBYTECODE"}}
        environment = {
            **inherited,
            "HOFAZ9_SERVICES": "url",
            "DATABASE_URL": postgres_url,
            "REDIS_URL": redis_url,
        }
        started = time.monotonic()
        try:
            done = tied.run(command, environment=environment, timeout_s=DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            raise CandidateTimeoutError(f"the suite did not finish within {DEADLINE_S} s") from error
        if not results.exists():
            raise InfrastructureError(f"the suite did not run:\n{done.stdout[-2000:]}{done.stderr}")
        tests = tuple(CaseResult(**json.loads(line)) for line in results.read_text().splitlines())
    if not tests:
        raise InfrastructureError("the suite collected no test")
    printed = (done.stdout[-PRINTED_CHARACTERS:], done.stderr[-PRINTED_CHARACTERS:])
    return SuiteRun(done.returncode, tests, time.monotonic() - started, seed, *printed)
