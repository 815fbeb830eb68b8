"""What an evaluation knows: the records that its steps hand on."""

from dataclasses import dataclass

REQUIREMENTS = tuple(f"R{number:02}" for number in range(1, 17))


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test of the suite on one candidate: `passed`, `failed`, `error` or `skipped`."""

    nodeid: str
    outcome: str
    requirement: str | None


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """The whole suite on one candidate."""

    exit_code: int
    tests: tuple[CaseResult, ...]
    duration_s: float


@dataclass(frozen=True, slots=True)
class WorkSample:
    """What one request cost: statements by hook and by server, rows, 8 kB buffers, bytes."""

    scenario: str
    status: int
    statements_hook: int
    statements_server: int
    rows: int
    buffers: int
    body_bytes: int
    wire_bytes: int
    body_digest: str


@dataclass(frozen=True, slots=True)
class LoadSample:
    """A burst of simultaneous clients: outcomes by status, latency where all were answered."""

    scenario: str
    clients: int
    outcomes: dict[str, int]
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    duration_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was measured of one candidate."""

    candidate: str
    suite: SuiteRun
    work: tuple[WorkSample, ...]
    load: tuple[LoadSample, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate meets a requirement, and the numbers that say so."""

    requirement: str
    passed: bool
    evidence: dict[str, object]
