"""No variable of the machine's changes a result: clients and processes get what is passed on alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.candidates.git import git
from evaluation.candidates.patches import apply_patch
from evaluation.machine import environment

ROOT = Path(__file__).parents[2]
HOSTILE = {
    "http_proxy": "http://127.0.0.1:1",
    "ALL_PROXY": "nonsense://127.0.0.1:1",
    "NO_PROXY": "[::1",
    "PGHOSTADDR": "203.0.113.1",
    "PGSSLMODE": "verify-full",
    "PGOPTIONS": "-crole=nobody",
    "PGSERVICE": "nowhere",
    "PYTEST_ADDOPTS": "--no-such-option",
    "PYTEST_PLUGINS": "no_such_plugin",
    "PYTHONSAFEPATH": "1",
    "PYTHONOPTIMIZE": "1",
    "PYTHONIOENCODING": "ascii",
    "GIT_EXTERNAL_DIFF": "/nonexistent/diff",
    "GIT_DIR": "/nonexistent",
    "LC_ALL": "tr_TR.ISO-8859-9",
    "LANG": "ja_JP.EUC-JP",
    "TZ": "Asia/Tokyo",
}
SERVES = """
import httpx, psycopg
from pathlib import Path
from evaluation.machine.environment import cleaned
from evaluation.measure.suite import run_share
from evaluation.serving.workbench import open_workbench

before, after = Path("repository_before"), Path("repository_after")
with open_workbench() as bench, bench.stage(2000) as stage, stage.serving(before) as server:
    print(httpx.get(f"{server.url}/products/1").status_code)
    with psycopg.connect(stage.url) as connection:
        print(connection.execute("select count(*) from products").fetchone()[0])
    urls = bench.services.postgres_url, bench.services.redis_url
    suite = run_share(["tests/test_transport.py"], after, *urls, bench.folder, "R12")
    print({test.outcome for test in suite.tests})
"""
SERVED = ["200", "2000", "{'passed'}"]
"""What it prints."""


@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_variable_that_could_change_a_result_is_dropped_until_the_end(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, HOSTILE[name])

    with environment.cleaned():
        inside = dict(os.environ)

    assert inside.get(name) == environment.OURS.get(name)
    assert os.environ[name] == HOSTILE[name]


def test_what_a_process_needs_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {"PATH": "/bin", "HOME": "/h", "DOCKER_HOST": "d", "HOFAZ9_SERVICES": "url", "DATABASE_URL": "u"}
    for name, value in needed.items():
        monkeypatch.setenv(name, value)

    with environment.cleaned():
        assert {name: os.environ.get(name) for name in needed} == needed


def test_services_candidates_and_suite_work_in_a_hostile_environment(tmp_path: Path) -> None:
    long = tmp_path / ("t" * (140 - len(str(tmp_path))))
    long.mkdir(mode=0o777)
    for folder in (long, *list(long.parents)[:3]):
        folder.chmod(0o755)
    script = tmp_path / "serves.py"
    script.write_text(f"import tempfile\n\nassert len(tempfile.gettempdir()) >= 135\n{SERVES}")
    inherited = {name: os.environ[name] for name in ("PATH", "HOME")}
    hostile = {**inherited, **HOSTILE, "TMPDIR": str(long), "PYTHONPATH": str(ROOT)}

    done = subprocess.run([sys.executable, script], cwd=ROOT, env=hostile, capture_output=True, text=True)

    assert done.stdout.splitlines() == SERVED, done.stderr


def test_settings_and_programs_of_the_caller_do_not_change_what_git_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    settings = "[color]\n\tui = always\n[diff]\n\tnoprefix = true\n\texternal = false\n"
    (home / ".gitconfig").write_text(settings)
    (tmp_path / "a").write_text("a\n")
    (tmp_path / "b").write_text("b\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")

    difference = git(tmp_path, "diff", "--no-index", "a", "b").stdout

    assert difference.splitlines()[0] == "diff --git a/a b/b"


def test_a_git_outside_of_the_usual_folders_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").write_text("#!/bin/sh\necho ours >&2\nexit 1\n")
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    patch = b"--- a/crud.py\n+++ b/crud.py\n@@ -1 +1 @@\n-a\n+b\n"

    with pytest.raises(Exception, match="ours"):
        apply_patch(ROOT / "repository_before", patch, tmp_path / "candidate")


@pytest.mark.parametrize("door", [["evaluation/evaluation.py"], ["-m", "evaluation"]])
def test_another_encoding_of_the_terminal_breaks_nothing(door: list[str]) -> None:
    hostile = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, *door, "explain", "\u00e4\u2026"]

    done = subprocess.run(command, cwd=ROOT, env=hostile, capture_output=True)

    assert done.returncode == 64
    assert "\u00e4\u2026 is not a report" in done.stderr.decode()
