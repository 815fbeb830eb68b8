"""Runs the black-box suite against one candidate, in separate processes."""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evaluation.errors import CandidateTimeoutError, InfrastructureError
from evaluation.records import CaseResult, SuiteRun

ROOT = Path(__file__).parents[2]
DEADLINE_S = 400
SHARES = 2


def run_suite(candidate: Path, postgres_url: str, redis_url: str, folder: Path) -> SuiteRun:
    """Run every test of `tests/` on the candidate; the files are divided among SHARES processes."""
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("test_*.py"))

    def run(share: int) -> SuiteRun:
        return run_share(files[share::SHARES], candidate, postgres_url, redis_url, folder)

    started = time.monotonic()
    with ThreadPoolExecutor(SHARES) as executor:
        runs = list(executor.map(run, range(SHARES)))
    return SuiteRun(
        max(run.exit_code for run in runs),
        tuple(test for run in runs for test in run.tests),
        time.monotonic() - started,
    )


def run_share(
    files: list[str],
    candidate: Path,
    postgres_url: str,
    redis_url: str,
    folder: Path,
    requirement: str | None = None,
) -> SuiteRun:
    """Run some files of the suite, or one requirement; the outcomes are read from a file, not from output."""
    with tempfile.TemporaryDirectory(prefix="suite-", dir=folder) as own:
        results = Path(own) / "results.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", *files, "-p", "no:cacheprovider"]
        command += ["--tb=short", f"--candidate={candidate}", f"--results={results}"]
        if requirement:
            command.append(f"--requirement={requirement}")
        environment = {
            **os.environ,
            "HOFAZ9_SERVICES": "url",
            "DATABASE_URL": postgres_url,
            "REDIS_URL": redis_url,
        }
        started = time.monotonic()
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
            )
        except subprocess.TimeoutExpired as error:
            raise CandidateTimeoutError(f"the suite did not finish within {DEADLINE_S} s") from error
        if not results.exists():
            raise InfrastructureError(f"the suite did not run:\n{done.stdout[-2000:]}{done.stderr}")
        tests = tuple(CaseResult(**json.loads(line)) for line in results.read_text().splitlines())
    if not tests:
        raise InfrastructureError("the suite collected no test")
    return SuiteRun(done.returncode, tests, time.monotonic() - started)
