"""What is logged of requests behind which something ends, a client or the server: R16.5."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from evaluation.database.dataset import SIZES
from evaluation.serving.connection import Connection
from evaluation.serving.log_lines import Request, lines_about
from evaluation.serving.workbench import Workbench
from tests.conftest import WITHOUT_PROBE, Subject, holding_table
from tests.observing import until
from tests.waiting import NEXT_S, RETURN_S, arrived

HUNG_UP = [f"/products/{number}" for number in range(1501, 1513)]
"""Fewer than a pool has connections: all of them wait for Postgres."""
LAST = ("/products?limit=3", "/products?limit=3", "/products/7", "/elsewhere")
LOGGED_S = 5.0


@pytest.mark.criterion("R16.5")
def test_requests_whose_clients_hang_up_have_their_lines(own: Subject) -> None:
    async def scene() -> int:
        with holding_table(own) as waiting:
            in_flight = asyncio.create_task(own.send(HUNG_UP, RETURN_S))
            here = await asyncio.to_thread(arrived, waiting, len(HUNG_UP), NEXT_S)
            in_flight.cancel()
            await asyncio.wait([in_flight])
            return here

    def missing() -> list[str]:
        lines = own.server.log_text().splitlines()
        return [path for path in HUNG_UP if not lines_about(Request("GET", path), lines)]

    assert asyncio.run(scene()) >= 1, "no request waited for Postgres"
    until(lambda: not missing(), LOGGED_S)
    assert not missing(), f"{len(missing())} of {len(HUNG_UP)} requests without a line: GET {missing()[0]}"


@pytest.mark.criterion("R16.5")
def test_requests_that_are_answered_right_before_the_server_stops_have_their_lines(
    bench: Workbench, candidate: Path
) -> None:
    with (
        bench.stage(SIZES["small"]) as stage,
        stage.serving(candidate, options=WITHOUT_PROBE) as server,
        closing(Connection(server.port)) as connection,
    ):
        for target in LAST:
            connection.get(target)

    lines = server.log_text().splitlines()
    wanted = {target.partition("?")[0]: LAST.count(target) for target in LAST}
    found = {path: len(lines_about(Request("GET", path), lines)) for path in wanted}
    assert found == wanted, f"lines in the log after the end of the server: {found}"
