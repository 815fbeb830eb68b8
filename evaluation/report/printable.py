"""Makes foreign text safe to print: messages, names and reasons may hold anything that a candidate sent."""

import re

CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Control characters but tab and line feed, what breaks or reorders lines, and what XML cannot contain."""
LONGEST_LINE = 160


def printable(text: str) -> str:
    """The text with every control character replaced by its code, like \\x1b."""
    return CONTROL.sub(as_code, text.replace("\r\n", "\n"))


def as_code(found: re.Match[str]) -> str:
    """The code of a character, as Python writes it."""
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """The text as one line, cut after `longest` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def last_line_first(reason: str) -> str:
    """A reason whose last line, in which a traceback tells what happened, is read before all others."""
    lines = [line for line in reason.splitlines() if line.strip()]
    return "\n".join([*lines[-1:], *lines[:-1]])


def first_lines(text: str, lines: int) -> list[str]:
    """The first lines of a text that are not empty, each cut after LONGEST_LINE characters."""
    found = (one_line(line) for line in printable(text).split("\n"))
    return [line for line in found if line][:lines]
