"""What a forkserver is asked for: one worker, and the sockets that it is given."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpawnRequest:
    """What to serve, and how; the last four are descriptors in the process that received the request."""

    directory: str
    environment: dict[str, str]
    options: list[str]
    isolation: str
    is_private: bool
    listener: int
    control: int
    log: int
    harness: int
