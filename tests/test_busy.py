"""Requests that wait for the process itself, not for a service: R16."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from evaluation.serving.log_lines import Request
from tests.conftest import Subject, holding_table
from tests.observing import until
from tests.test_timing import UNASKED, comes, lines_about

BUSY_S, TIMES = 0.25, 3
"""On a busy machine, the process shares the time with others; so it is made busy a few times."""


@pytest.mark.criterion("R16.2")
def test_the_duration_of_a_request_holds_what_the_process_itself_needed(own: Subject) -> None:
    for _ in range(TIMES):
        path = f"/products/{next(UNASKED)}"
        with ThreadPoolExecutor(1) as executor, holding_table(own) as waiting:
            asked = executor.submit(own.get, path)
            assert until(lambda: waiting() >= 1), "the request does not read products"
            own.server.ask("be_busy", seconds=BUSY_S)
        answer = asked.result()
        request = Request("GET", path, answer.status_code, answer.elapsed.total_seconds(), held_s=BUSY_S)

        def fits(request: Request = request) -> bool:
            return any(request.fits(line) for line in lines_about(own, "GET", request.path))

        assert comes(fits), f"busy for {1000 * BUSY_S:.0f} ms meanwhile: {lines_about(own, 'GET', path)}"
