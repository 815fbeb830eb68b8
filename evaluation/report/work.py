"""The cost of single requests, in words that the terminal and Markdown both print."""

from typing import Any


def saved(sample: dict[str, Any]) -> str:
    """The share of an answer's bytes that did not pass the wire, because it was sent compressed."""
    body, wire = sample["body_bytes"], sample["wire_bytes"]
    return f"{1 - wire / body:.0%}" if body else "-"
