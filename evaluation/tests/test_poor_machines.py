"""Services, candidates and suite work in a checkout that cannot be written, and without IPv6."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation.candidates.fingerprint import OURS
from evaluation.tests.test_environment import SERVED, SERVES

ROOT = Path(__file__).parents[2]
WITHOUT_IPV6 = """
import errno, socket

_opened = socket.socket.__init__

def opened(self, family=-1, *others, **named):
    if family == socket.AF_INET6:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
    _opened(self, family, *others, **named)

socket.socket.__init__ = opened
"""
TELLS_OF_IPV6 = """
import socket

try:
    socket.socket(socket.AF_INET6).close()
except OSError as error:
    print("NO IPV6", flush=True)
"""
SERVES_A_CATALOG = """
import sys
from pathlib import Path
import httpx
from evaluation.serving.workbench import open_workbench

with open_workbench() as bench, bench.stage(100) as stage, stage.serving(Path(sys.argv[1])) as server:
    print(httpx.get(f"{server.url}/products/1").status_code)
    print([line for line in server.log_text().splitlines() if "IPV6" in line])
"""
AS_NOBODY = """
import os, sys
from pathlib import Path
from evaluation.serving import sandbox, syscalls

NOBODY = 65_534


def show(folder):
    # Python may be installed in a home that nobody else may enter.
    closed = [one for one in reversed(folder.parents) if not one.stat().st_mode & 0o001]
    if closed:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        opened = os.open(folder, os.O_PATH)
        syscalls.mount("tmpfs", str(closed[0]), "tmpfs", 0, "mode=755")
        folder.mkdir(parents=True)
        syscalls.mount(f"/proc/self/fd/{opened}", str(folder), "", syscalls.MS_BIND | syscalls.MS_REC)


if os.geteuid() == 0:
    show(Path(sys.base_prefix))
    sandbox.switch_user(NOBODY, reading=False)
for path in (Path("evaluation"), Path("tests"), Path("repository_before"), Path(".")):
    assert not os.access(path, os.W_OK), path
"""


def run(
    script: str, folder: Path, *arguments: object, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of our modules, which lies in this folder."""
    (folder / "program.py").write_text(script)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(cwd)} | variables
    command = [sys.executable, str(folder / "program.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_a_candidate_is_served_where_there_is_no_ipv6(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_IPV6)
    candidate = tmp_path / "candidate"
    shutil.copytree(ROOT / "repository_after", candidate, ignore=shutil.ignore_patterns("__pycache__"))
    with (candidate / "main.py").open("a") as main:
        main.write(TELLS_OF_IPV6)

    done = run(SERVES_A_CATALOG, tmp_path, candidate, PYTHONPATH=f"{tmp_path}:{ROOT}")

    assert done.stdout.splitlines() == ["200", "['NO IPV6']"], done.stderr


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A copy of this repository that nobody can write."""
    with tempfile.TemporaryDirectory(prefix="hofaz9-checkout-", dir="/tmp") as name:
        folder = Path(name)
        left_out = shutil.ignore_patterns("__pycache__", ".*_cache", "reports")
        for part in OURS:
            shutil.copytree(ROOT / part, folder / part, ignore=left_out)
        shutil.copy(ROOT / "pyproject.toml", folder)
        subprocess.run(["chmod", "-R", "a-w,a+rX", name], check=True)
        yield folder
        subprocess.run(["chmod", "-R", "u+w", name], check=True)


def test_a_checkout_that_cannot_be_written_is_enough(checkout: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)

    done = run(AS_NOBODY + SERVES, tmp_path, cwd=checkout)

    assert done.stdout.splitlines() == SERVED, done.stderr
