"""The files that are derived from the two catalogs are up to date."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.candidates.difference import difference

ROOT = Path(__file__).parents[2]
BEFORE, AFTER = ROOT / "repository_before", ROOT / "repository_after"


def files(folder: Path) -> dict[str, str]:
    """The modules of a catalog, by name."""
    return {path.name: path.read_text() for path in folder.glob("*.py")}


def test_the_patch_turns_the_baseline_into_the_reference(tmp_path: Path) -> None:
    for name, text in files(BEFORE).items():
        (tmp_path / name).write_text(text)

    subprocess.run(["git", "apply", str(ROOT / "patches/diff.patch")], cwd=tmp_path, check=True)

    assert files(tmp_path) == files(AFTER)


def test_the_patch_is_up_to_date_and_names_both_sides_of_every_file() -> None:
    patch = (ROOT / "patches/diff.patch").read_text(encoding="utf-8")
    headers = [line for line in patch.splitlines() if line.startswith("diff --git ")]

    assert patch == difference(BEFORE, AFTER), "update it with: make patch"
    assert all(re.fullmatch(r"diff --git a/(\S+) b/\1", line) for line in headers)
    assert "diff --git a/cache.py b/cache.py" in headers


@pytest.mark.parametrize("name", ["__init__.py", "schemas.py"])
def test_modules_without_optimisations_are_the_same(name: str) -> None:
    assert (BEFORE / name).read_bytes() == (AFTER / name).read_bytes()


def test_the_reference_adds_only_modules_for_new_concepts() -> None:
    new = {"cache.py", "compression.py", "fast_path.py", "http_cache.py", "next_call.py", "notices.py"}
    new |= {"pages.py", "redis_link.py", "stamp.py", "timing.py"}

    assert set(files(AFTER)) - set(files(BEFORE)) == new
    assert not set(files(BEFORE)) - set(files(AFTER))


def test_every_requirement_has_a_test_that_fails_before_and_passes_after() -> None:
    instance = json.loads((ROOT / "instances/instance.json").read_text())
    listed = json.loads((ROOT / "instances/HOFAZ9.list.json").read_text())
    needed = {test for row in instance["requirements"] for test in row["tests"]}

    assert [row["id"] for row in instance["requirements"]] == [f"R{n:02}" for n in range(1, 17)]
    # R01 is decided by measurements, R01.1 and R01.2; its only test is hardening.
    decided_by_tests = [row for row in instance["requirements"] if row["id"] != "R01"]
    assert all(set(row["tests"]) & set(instance["FAIL_TO_PASS"]) for row in decided_by_tests)
    assert needed <= {
        test for name in ("FAIL_TO_PASS", "PASS_TO_PASS", "HARDENING") for test in instance[name]
    }
    assert listed[0]["FAIL_TO_PASS"] == instance["FAIL_TO_PASS"]


USES_THE_APPLICATION = """
import sys
from fastapi import FastAPI
from fastapi.testclient import TestClient
from {catalog}.database import get_db
from {catalog}.main import app

class Scalars:
    def order_by(self, *_):
        return self
    def all(self):
        return []

class Session:
    def query(self, *_):
        return Scalars()
    async def scalars(self, *_):
        return []

assert isinstance(app, FastAPI)
app.dependency_overrides[get_db] = Session
assert TestClient(app).get("/categories").json() == []
paths = {{route.path for route in app.routes}}
assert set(app.openapi()["paths"]) <= paths, paths
print(*sorted(app.openapi()["paths"]))
"""


def test_both_applications_are_fastapi_instances_that_tools_can_use() -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": "postgresql://u@127.0.0.1:1/d",
        "REDIS_URL": "redis://127.0.0.1:1",
    }

    def paths_of(catalog: Path) -> str:
        command = [sys.executable, "-c", USES_THE_APPLICATION.format(catalog=catalog.name)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "/products/{product_id}/reviews" in paths_of(BEFORE)
    assert paths_of(AFTER) == paths_of(BEFORE)
