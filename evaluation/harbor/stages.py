"""The stages of a Dockerfile that one of them is built from."""

import re

STAGE = re.compile(r"((?:^# [^\n]*\n)*^FROM (\S+) AS (\S+)\n.*?)(?=(?:^# [^\n]*\n)*^FROM |\Z)", re.M | re.S)
"""A stage with the comment before it: its text, what it is built from, and its name."""


def stages_for(target: str, dockerfile: str) -> str:
    """A Dockerfile that ends with `target`, with the stages below it as they stand; KeyError without it."""
    found = {name: (text, base) for text, base, name in STAGE.findall(dockerfile)}
    text, base = found[target]
    below = f"{stages_for(base, dockerfile)}\n" if base in found else ""
    return f"{below}{text.rstrip()}\n"
