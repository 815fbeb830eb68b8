"""Charts as SVG inside the page, drawn by pygal; the colours are those of the page's own style sheet."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

import pygal
from markupsafe import Markup
from pygal.style import Style

# pygal looks at every import that fails, for the sake of its maps; Python 3.11 then warns each time.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

WIDTH = 440
"""Narrow, so that the text of a chart is large enough to read on a phone."""
LETTERS = Style(
    font_family="inherit",
    label_font_size=14,
    major_label_font_size=14,
    value_font_size=14,
    title_font_size=14,
)
STEPS = (1, 2, 5)
UNSEEN = ("comment", "defs", "desc", "title")


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one kind; `look` are the classes that the style sheet gives a colour and a stroke."""

    look: str
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis tells, and its marks: the value and the words of each."""

    title: str
    marks: Sequence[tuple[float, str]] = ()


def bars(alt: str, names: Sequence[str], series: Sequence[Series], words: Callable[[float], str]) -> Markup:
    """Horizontal bars, one group for each name, with the value at each bar; `alt` says what they show."""
    chart = pygal.HorizontalBar(
        **settings(40 + 46 * len(names)),
        print_values=True,
        print_values_position="top",
        value_formatter=words,
        show_x_labels=False,
        show_x_guides=False,
        margin_right=74,
    )
    # pygal draws the groups from the bottom up, and the bars of a group from the top down.
    chart.x_labels = names[::-1]
    for one in series:
        chart.add(one.look, list(one.values)[::-1])
    return drawn(chart, alt, [one.look for one in series])


def curves(alt: str, x: Axis, y: Axis, series: Sequence[Series]) -> Markup:
    """Lines through (x, y); the vertical axis is logarithmic, and begins and ends at its marks.

    pygal's own logarithmic XY charts have two such axes.
    """
    chart = pygal.XY(
        **settings(300),
        show_dots=False,
        x_title=x.title,
        y_title=y.title,
        range=(log10(y.marks[0][0]), log10(y.marks[-1][0])),
        xrange=(x.marks[0][0], max(x.marks[-1][0], *(point[0] for one in series for point in one.values))),
        show_x_guides=True,
        margin_right=8 + 4 * len(x.marks[-1][1]),
    )
    chart.x_labels = [{"value": value, "label": label} for value, label in x.marks]
    chart.y_labels = [{"value": log10(value), "label": label} for value, label in y.marks]
    for one in series:
        chart.add(one.look, [(x_value, log10(y_value)) for x_value, y_value in one.values])
    return drawn(chart, alt, [one.look for one in series])


def settings(height: int) -> dict[str, Any]:
    """What all charts have in common."""
    return {
        "title": None,
        "width": WIDTH,
        "height": height,
        "style": LETTERS,
        "show_legend": False,
        "no_prefix": True,
        "disable_xml_declaration": True,
        "js": (),
        "css": (),
        "margin": 6,
    }


def drawn(chart: Any, alt: str, looks: Sequence[str]) -> Markup:
    """A chart as SVG without its own styles and scripts, which the page does not need."""
    chart.add_xml_filter(lambda root: plain(root, alt, looks))
    return Markup(chart.render(is_unicode=True))


def plain(root: Any, alt: str, looks: Sequence[str]) -> Any:
    """Leave shapes and text alone in the SVG, give the series their looks, and say what is shown."""
    for parent in list(root.iter()):
        for child in list(parent):
            name = child.tag if isinstance(child.tag, str) else "comment"
            if name in UNSEEN or "tooltip" in child.get("class", "").split():
                parent.remove(child)
    for number, look in enumerate(looks):
        for node in root.iter():
            if f"serie-{number}" in node.get("class", "").split():
                node.set("class", f"series {look}")
    for name in ("id", "width", "height"):
        root.attrib.pop(name, None)
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-label", alt)
    return root


def logarithmic_marks(values: Sequence[float], words: Callable[[float], str]) -> list[tuple[float, str]]:
    """Marks at 1, 2, 5, 10, ... around the values; fewer steps where they span many powers of ten."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    steps = STEPS if high - low <= 3 else (1,)
    found = [step * 10.0**power for power in range(low, high + 1) for step in steps]
    begin = max((mark for mark in found if mark <= min(values)), default=found[0])
    end = min((mark for mark in found if mark >= max(values) and mark > begin), default=found[-1])
    return [(mark, words(mark)) for mark in found if begin <= mark <= end]
