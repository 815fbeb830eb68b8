"""Which environment variables reach our processes: this is the only place that decides."""

import locale
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = {
    *("DATABASE_URL", "REDIS_URL", "REPO_PATH", "TARGET_REPO"),
    *("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "TERM", "COLUMNS", "LINES"),
    # Where Python and its packages are, and where it may write.
    *("PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONNOUSERSITE"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    # Where a Docker engine is.
    *("XDG_RUNTIME_DIR", "TC_HOST"),
}
PREFIXES = ("HOFAZ9_", "DOCKER_", "TESTCONTAINERS_", "DASK_")
OURS = {"LANG": "C.UTF-8", "PYTHONUTF8": "1", "TZ": "UTC"}
"""The language and the time zone of every machine, so that messages, encodings and stamps are the same."""
SERVED = ("PATH", "LANG", "TZ", "PYTHONPATH")
"""What of that a candidate gets."""


def passed_on() -> dict[str, str]:
    """The variables of this process that others get: no proxies, no PG*, no GIT_*, no PYTEST_*."""
    found = {name: value for name, value in os.environ.items() if name in NAMES or name.startswith(PREFIXES)}
    return found | OURS


def served() -> dict[str, str]:
    """The variables that a candidate gets."""
    found = passed_on()
    return {name: found[name] for name in SERVED if name in found}


def in_utf8() -> None:
    """Start this program anew in Python's UTF-8 mode where the machine's language has another encoding."""
    is_other = locale.getencoding().lower() != "utf-8" and not sys.flags.utf8_mode
    if is_other or "PYTHONIOENCODING" in os.environ:
        os.environ.pop("PYTHONIOENCODING", None)
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


@contextmanager
def cleaned() -> Iterator[None]:
    """Until the block ends, this process and those that it starts have no other variables."""
    before, kept = dict(os.environ), passed_on()
    for name in before.keys() - kept.keys():
        del os.environ[name]
    os.environ.update(kept)
    try:
        yield
    finally:
        for name in OURS.keys() - before.keys():
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if kept.get(name) != value})
