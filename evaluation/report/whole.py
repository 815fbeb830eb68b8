"""Writes files whole or not at all: each is written aside, and renamed into place."""

import os
from pathlib import Path


def written_whole(path: Path, body: bytes) -> Path:
    """Write a file, and the folders above it; whoever reads it sees all of it or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(body)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
