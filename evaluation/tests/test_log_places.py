"""A duration stands at one place in all lines of a form; what fits by chance does not."""

import pytest

from evaluation.serving.log_lines import Request, without_a_place

LADDER = "0.1,5,35,65,95,125,155,185,199"
FORMS = {
    "a name": "INFO GET {path} status=200 duration_ms={ms:.2f}",
    "seconds glued to their unit": "GET {path} -> 200 in {seconds:.4f}s from 127.0.0.1:{port}",
    "json": '{{"method": "GET", "path": "{path}", "status": 200, "took": {seconds:.6f}, "bytes": {port}}}',
    "a unit that changes": "GET {path} took {human} from 127.0.0.1:{port}",
    "the last number": 'INFO 127.0.0.1:{port} - "GET {path} HTTP/1.1" 200 {ms:.1f}',
}
HELD_S = (0.0, 0.02, 0.1, 0.25, 6.5)


def logged(form: str) -> list[tuple[Request, list[str]]]:
    """Requests that were held up for different times, with the lines of this form."""
    found = []
    for number, held_s in enumerate(HELD_S):
        path, took_s = f"/products/{1500 + number}", held_s + 0.004
        human = f"{1000 * took_s:.0f}ms" if took_s < 1 else f"{took_s:.2f}s"
        line = form.format(human=human, path=path, ms=1000 * took_s, seconds=took_s, port=50_000 + 7 * number)
        found.append((Request("GET", path, 200, held_s + 0.01, held_s), [line]))
    return found


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_duration_that_is_told_has_its_place(form: str) -> None:
    assert not without_a_place(logged(form))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_lines_of_two_forms_have_a_place_each(form: str) -> None:
    other = "WARNING slow=true GET {path} took={seconds:.3f}"
    lines = [*logged(form)[:3], *logged(other)[3:]]

    assert not without_a_place(lines)


def test_a_ladder_of_numbers_has_no_place() -> None:
    lines = logged(f"INFO GET {{path}} status=200 buckets_ms={LADDER}")

    assert all(request.fits(line) for request, [line] in lines[:3])
    assert without_a_place(lines[:3])
