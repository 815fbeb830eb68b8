"""The templates, and how values come into them: as text, with nothing in it that HTML or a reader obeys."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from evaluation.report.html.extent import Extent, clipped
from evaluation.report.printable import printable

CODE = re.compile(r"`([^`]+)`")


def rendered(name: str, extent: Extent, **values: Any) -> str:
    """A template with its values; foreign text is cut by the filter `short`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=as_text,
    )
    environment.filters["short"] = lambda text: clipped(str(text), extent.text)
    environment.filters["with_code"] = with_code
    return environment.get_template(name).render(**values)


def as_text(value: Any) -> Any:
    """What a template shows of a value; markup is ours and stays as it is."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else printable(str(value))


def with_code(sentence: str) -> Markup:
    """A sentence of ours, with what stands in backticks as code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(printable(sentence)))))
