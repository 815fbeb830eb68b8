"""Runs the black-box suite against one candidate in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evaluation.errors import InfrastructureError
from evaluation.records import CaseResult, SuiteRun

ROOT = Path(__file__).parents[2]
DEADLINE_S = 900


def run_suite(candidate: Path, postgres_url: str, redis_url: str, folder: Path) -> SuiteRun:
    """Every test of `tests/` on the candidate; results come from a file, never from its output."""
    with tempfile.TemporaryDirectory(prefix="suite-", dir=folder) as own:
        results = Path(own) / "results.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "tests", "-p", "no:cacheprovider"]
        command += ["--tb=short", f"--candidate={candidate}", f"--results={results}"]
        environment = {
            **os.environ,
            "HOFAZ9_SERVICES": "url",
            "DATABASE_URL": postgres_url,
            "REDIS_URL": redis_url,
        }
        started = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
        )
        if not results.exists():
            raise InfrastructureError(f"the suite did not run:\n{done.stdout[-2000:]}{done.stderr}")
        tests = tuple(CaseResult(**json.loads(line)) for line in results.read_text().splitlines())
    if not tests:
        raise InfrastructureError("the suite collected no test")
    return SuiteRun(done.returncode, tests, time.monotonic() - started)
