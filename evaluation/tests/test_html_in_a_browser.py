"""`report.html` in a headless Chromium: what is seen, on screens, phones and paper, light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation.report.html.page import SECTIONS, page
from evaluation.tests.chromium import Page, chromium, opened
from evaluation.tests.pages import HOSTILE, REPORTS, full_report, hostile_report


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a browser that the tests of this module share."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium is installed here, in which report.html can be looked at")
    with opened(program, tmp_path_factory.mktemp("profile")) as shown:
        yield shown


@pytest.fixture(scope="module", params=["full", "quick", "scale", "hostile"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page as a file."""
    found = hostile_report(HOSTILE) if request.param == "hostile" else REPORTS[request.param]()
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(found), encoding="utf-8")
    return path


SEEN = (
    "[...document.querySelectorAll('section')].map(one => [one.id, one.offsetHeight, one.innerText.length])"
)
CONTRAST = """
(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const part = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r / 255) + 0.7152 * part(g / 255) + 0.0722 * part(b / 255);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const found = numbers(getComputedStyle(one).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return numbers(getComputedStyle(document.body).backgroundColor);
  };
  document.querySelectorAll('details').forEach(one => { one.open = true; });
  const poor = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim()) continue;
    const style = getComputedStyle(one), isSvg = one instanceof SVGElement;
    const [a, b] = [light(numbers(isSvg ? style.fill : style.color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor[one.className] = [ratio, walker.currentNode.data.slice(0, 40)];
  }
  return poor;
})()
"""
SMALLEST = """
Math.min(...[...document.querySelectorAll('svg.chart')].map(one => {
  const size = parseFloat(getComputedStyle(one.querySelector('text')).fontSize);
  return size * one.clientWidth / one.viewBox.baseVal.width;
}))
"""
OUTSIDE = """
[...document.querySelectorAll('svg.chart text')].filter(one => {
  const text = one.getBoundingClientRect(), chart = one.ownerSVGElement.getBoundingClientRect();
  return text.left < chart.left - 1 || text.right > chart.right + 1 || text.bottom > chart.bottom + 1;
}).map(one => one.textContent)
"""
WIDTH = "[document.scrollingElement.scrollWidth, innerWidth]"


@pytest.mark.parametrize("with_javascript", [True, False], ids=["javascript", "no javascript"])
def test_a_browser_shows_every_section_and_complains_of_nothing(
    browser: Page, file: Path, with_javascript: bool
) -> None:
    browser.requests.clear()

    browser.show(file, with_javascript=with_javascript)

    seen = {place: (height, letters) for place, height, letters in browser.evaluate(SEEN)}
    assert list(seen) == list(SECTIONS)
    assert all(height > 40 and letters > 40 for height, letters in seen.values())
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_charts_can_be_read(
    browser: Page, file: Path, width: int
) -> None:
    browser.show(file, width=width, height=844)

    assert browser.evaluate(WIDTH) == [width, width]
    assert browser.evaluate(SMALLEST) >= 10
    assert browser.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser: Page, file: Path, scheme: str) -> None:
    browser.show(file, scheme=scheme)

    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    assert browser.evaluate(CONTRAST) == {}


def test_the_requirements_are_on_the_first_screen_of_a_phone(browser: Page, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page(full_report()), encoding="utf-8")

    browser.show(tmp_path / "report.html", width=390, height=844)

    place_of_r16 = browser.evaluate("document.querySelector('.requirements').getBoundingClientRect().bottom")
    assert place_of_r16 < 844


def test_a_dark_screen_is_printed_on_white_with_all_criteria(browser: Page, file: Path) -> None:
    browser.show(file, scheme="dark")
    browser.colour("dark", "print")

    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("document.querySelector('#criteria table').checkVisibility()") is True
