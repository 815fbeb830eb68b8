"""Far pages are reached and measured, on served catalogs with 2 000 products."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from evaluation.candidates.patches import apply_patch
from evaluation.database.dataset import SIZES
from evaluation.measure.growth import LISTINGS, PAGE_500, PAGES, measure_growth, measure_page_500, places
from evaluation.measure.walks import (
    PAGE_SIZE,
    Listing,
    Parameter,
    Step,
    Tables,
    Walker,
    parameter_of,
    read_page,
)
from evaluation.serving.workbench import Workbench

ROOT = Path(__file__).parents[2]
BEFORE, AFTER = ROOT / "repository_before", ROOT / "repository_after"
OPAQUE = ROOT / "patches" / "alternatives" / "opaque-cursor.patch"
ALL = LISTINGS[0]
FAR = 1_500
SMALL = SIZES["small"]
ACTIVE = 1_800
"""The products of the small catalog that are active."""


@contextmanager
def walkers(bench: Workbench, candidate: Path) -> Iterator[Callable[[Listing], Walker]]:
    """Serve a candidate; yields a function that makes a walker for a listing."""
    with bench.stage(SMALL) as stage, stage.serving(candidate) as server:
        yield lambda listing: Walker(server, listing, Tables(stage.admin_url, listing))


@pytest.fixture
def opaque(tmp_path: Path) -> Path:
    """The reference with a `next` that the client cannot read."""
    apply_patch(AFTER, OPAQUE.read_bytes(), tmp_path / "opaque")
    return tmp_path / "opaque"


@pytest.mark.parametrize(
    ("spelling", "parameter"),
    [
        ("/products?limit=1&skip={seen}", Parameter("skip", is_key=False)),
        ("/products?cursor={last_id}&limit=1", Parameter("cursor", is_key=True)),
        ("/products?limit=1&page=abc{last_id}", None),
        ("/products?limit=1", None),
    ],
)
def test_the_parameter_is_the_one_that_follows_the_walk(spelling: str, parameter: Parameter | None) -> None:
    walk = [(1, 1), (2, 2), (3, 3), (4, 5)]

    steps = [Step(seen, last, spelling.format(seen=seen, last_id=last)) for seen, last in walk]

    assert parameter_of(steps) == parameter


@pytest.mark.parametrize("candidate", [BEFORE, AFTER], ids=lambda path: path.name)
def test_a_readable_next_allows_a_jump_to_exactly_the_right_products(
    bench: Workbench, candidate: Path
) -> None:
    with walkers(bench, candidate) as walker_of:
        for listing, skipped in zip(LISTINGS, (FAR, 20, 160), strict=True):
            walker = walker_of(listing)

            place = walker.place_behind(skipped)
            page = read_page(walker.server, place.path)

            assert (place.jumped, place.skipped) == (True, skipped)
            assert page.ids == walker.tables.ids(skipped, PAGE_SIZE)
            assert len(page.ids) == PAGE_SIZE


def test_an_opaque_next_needs_a_walk_to_exactly_the_right_products(bench: Workbench, opaque: Path) -> None:
    with walkers(bench, opaque) as walker_of:
        walker = walker_of(ALL)
        for skipped in (40, FAR):
            place = walker.place_behind(skipped)

            assert (place.jumped, place.skipped) == (False, skipped)
            assert read_page(walker.server, place.path).ids == walker.tables.ids(skipped, PAGE_SIZE)


def test_a_walk_ends_when_its_time_is_over(
    bench: Workbench, opaque: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.measure.walks.WALK_LIMIT_S", 0.1)
    with walkers(bench, opaque) as walker_of:
        walker = walker_of(ALL)

        place = walker.place_behind(FAR)

        assert 0 < place.skipped < FAR
        assert read_page(walker.server, place.path).ids == walker.tables.ids(place.skipped, PAGE_SIZE)


def test_windows_hold_whole_pages_and_do_not_overlap() -> None:
    for listed in (180, 219, 1_000, 90_000):
        starts = places(listed)

        assert all(later - earlier >= PAGES * PAGE_SIZE for earlier, later in pairwise(starts))
        assert starts[-1] + PAGES * PAGE_SIZE <= listed

    assert places(900_000)[-1] / 900_000 >= 0.98


def test_far_pages_of_both_catalogs_are_measured(bench: Workbench) -> None:
    lines: list[str] = []

    before, after = (measure_growth(bench, path, lines.append, [SMALL]) for path in (BEFORE, AFTER))

    assert len(lines) == 2 * len(LISTINGS)
    for found in (before, after):
        [count] = found.counts
        assert (count.products, count.counted) == (SMALL, ACTIVE)
        assert count.buffers > 0 < count.ms
    for slow, fast in zip(before.pages, after.pages, strict=True):
        assert (slow.listing, slow.depth, slow.skipped) == (fast.listing, fast.depth, fast.skipped)
        if "category" in slow.listing:
            continue
        assert slow.trouble is fast.trouble is None
        assert slow.pages == fast.pages == PAGES - 1
        assert (slow.statements or 0) > 10 * (fast.statements or 0) > 0
        assert (slow.buffers or 0) > (fast.buffers or 0) > PAGE_SIZE
        assert (slow.counting, fast.counting) == (1, 0)


def test_the_page_after_as_many_products_is_measured_on_both_catalogs(bench: Workbench) -> None:
    found = []
    for path in (BEFORE, AFTER):
        with bench.stage(SMALL) as stage:
            found.append(measure_page_500(stage, path, SMALL, FAR))
            assert measure_page_500(stage, path, SMALL, ACTIVE - PAGE_SIZE) is None

    slow, fast = found
    assert slow is not None
    assert fast is not None
    for one in found:
        assert one is not None
        assert (one.skipped, one.listed, one.jumped, one.trouble) == (FAR, ACTIVE, True, None)
    assert (slow.buffers or 0) > 10 * (fast.buffers or 0) > 0
    assert PAGE_500 == 10_000


def test_pages_with_other_products_than_the_tables_are_not_measured(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Listing("is_active=false", "is_active and id <> 3")
    monkeypatch.setattr("evaluation.measure.growth.LISTINGS", (other,))
    monkeypatch.setattr("evaluation.measure.walks.WALK_LIMIT_S", 0.1)

    costs = measure_growth(bench, AFTER, lambda _: None, [SMALL]).pages

    assert {cost.buffers for cost in costs} == {None}
    assert "not the products" in (costs[0].trouble or "")


def changed(catalog: Path, folder: Path, *changes: tuple[str, str]) -> Path:
    """A copy of a catalog with replacements in its main module."""
    shutil.copytree(catalog, folder)
    text = (folder / "main.py").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "main.py").write_text(text)
    return folder


LOADING = "\n    async def load("


@pytest.mark.parametrize("answer", ["raise RuntimeError", "cursor = 0"])
def test_a_next_that_cannot_be_forged_needs_a_walk(bench: Workbench, tmp_path: Path, answer: str) -> None:
    signed = changed(
        AFTER,
        tmp_path / "signed",
        ("    is_active: bool = True,\n", "    is_active: bool = True,\n    sign: str = '',\n"),
        (LOADING, f"\n    if cursor and sign != f's{{cursor % 97}}':\n        {answer}{LOADING}"),
        ("'cursor': more", "'sign': f's{more % 97}', 'cursor': more"),
    )
    with walkers(bench, signed) as walker_of:
        walker = walker_of(ALL)

        place = walker.place_behind(200)

        assert (place.jumped, place.skipped) == (False, 200)
        assert read_page(walker.server, place.path).ids == walker.tables.ids(200, PAGE_SIZE)


def test_a_page_that_fails_is_reported_and_not_measured(bench: Workbench, tmp_path: Path) -> None:
    refusal = "\n    if cursor > 900:\n        raise RuntimeError"
    broken = changed(AFTER, tmp_path / "broken", (LOADING, f"{refusal}{LOADING}"))

    shallow, middle, deep = measure_growth(bench, broken, lambda _: None, [SMALL]).pages[:3]

    assert shallow.buffers
    assert (middle.buffers, deep.buffers) == (None, None)
    assert "500" in (middle.trouble or "")
