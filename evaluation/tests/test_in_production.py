"""Statements that are sent only where nobody watches are counted there, failing ones too."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.measure.exchanges import check_statements
from evaluation.measure.in_production import count_in_production
from evaluation.serving.workbench import Workbench

IN_PRODUCTION = '"evaluation" not in sys.modules'
LOADING = "    async def load_items()"
IMPORTS = ("main.py", "import gc\n", "import gc\nimport os\nimport sys\n")

ONE_BY_ONE = """for number in range(1, limit + 1):
            async with SessionLocal() as db:
                await crud.get_product(db, number)"""
FAILING = """for _ in range(limit):
            async with SessionLocal() as db:
                try:
                    await db.execute(__import__("sqlalchemy").text("select 1 / 0"))
                except Exception:
                    pass"""

CAUGHT = """async with writing_session() as db:
            for _ in range(limit):
                try:
                    async with db.begin_nested():
                        await db.execute(__import__("sqlalchemy").text("select 1 / 0"))
                except Exception:
                    pass
            await db.commit()"""


def doing(what: str) -> tuple[tuple[str, str, str], ...]:
    """Changes that let every listing do something first where nobody watches."""
    return IMPORTS, ("main.py", LOADING, f"    if {IN_PRODUCTION}:\n        {what}\n\n{LOADING}")


LATE_WHERE_ALONE = (
    (
        "cache.py",
        "import time\n",
        "import time\n\nfrom sqlalchemy import text\n\nfrom .database import SessionLocal\n",
    ),
    (
        "cache.py",
        "        await self.stamp.forget_pages()",
        """        async with SessionLocal() as db:
            users = "select count(distinct usename) from pg_stat_activity where datname = current_database()"
            is_alone = await db.scalar(text(users)) == 1
        if not is_alone:
            await self.stamp.forget_pages()""",
    ),
)


@pytest.mark.parametrize(
    ("changes", "criteria"),
    [
        ((), []),
        (doing(ONE_BY_ONE), ["R02.1"]),
        (doing(FAILING), ["R02.1"]),
        (doing(CAUGHT), ["R02.1"]),
        (LATE_WHERE_ALONE, ["API.6"]),
        (doing("os._exit(3)"), ["API.2"]),
        (doing("raise ValueError('here alone')"), ["API.2"]),
    ],
    ids=[
        "well-behaved",
        "one by one",
        "failing",
        "failing behind savepoints",
        "late where alone",
        "dies",
        "breaks",
    ],
)
def test_what_a_candidate_sends_only_in_production_is_counted(
    bench: Workbench,
    variant: Callable[..., Path],
    changes: tuple[tuple[str, str, str], ...],
    criteria: list[str],
) -> None:
    found = count_in_production(bench, variant(*changes))

    assert [one.criterion for one in found] == criteria, found


@pytest.mark.parametrize(("calls", "rolled_back", "found"), [(24, 24, 0), (25, 0, 1), (0, 25, 1)])
def test_five_requests_cost_fewer_than_25_statements_and_failures(
    calls: int, rolled_back: int, found: int
) -> None:
    assert len(check_statements(calls, rolled_back, 5, "somewhere")) == found
