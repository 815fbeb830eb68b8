"""The records that the steps of an evaluation pass on."""

from dataclasses import dataclass, field
from datetime import datetime

INSTANCE_ID = "HOFAZ9"
REQUIREMENTS = tuple(f"R{number:02}" for number in range(1, 17))


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test of the suite on one candidate: `passed`, `failed`, `error` or `skipped`.

    `level` is `specified` (the test decides the outcome) or `hardening` (it is told beside the outcome).
    The duration covers what the test sets up and takes down, too.
    """

    nodeid: str
    outcome: str
    requirement: str | None
    criterion: str | None = None
    level: str = "specified"
    message: str = ""
    duration_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """The whole suite on one candidate; the seed chose the order of the tests and their random examples.

    `stdout` and `stderr` are the end of what pytest printed.
    """

    exit_code: int
    tests: tuple[CaseResult, ...]
    duration_s: float
    seed: int | None = None
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class StatementPlan:
    """A statement that was sent so many times for a request, and its first plan: a line for each node.

    `buffers` are those of all times together; constants may differ.
    """

    sql: str
    times: int
    buffers: int
    nodes: list[str]


@dataclass(frozen=True, slots=True)
class WorkSample:
    """What one request cost: statements, rows, buffers, bytes.

    Statements are counted by SQLAlchemy's hooks, by the server, and on the wire. `statements_session` are
    those of the server's that are about the session, which do not count on the wire. `reads` are the kinds of
    plan nodes that read each table (`Seq Scan`, `Index Scan`, ...), where plans were looked at; `plans` are
    those plans.
    """

    scenario: str
    status: int
    statements_hook: int
    statements_server: int
    rows: int
    buffers: int
    body_bytes: int
    wire_bytes: int
    body_digest: str
    statements_session: int = 0
    statements_wire: int = 0
    commands_redis: int = 0
    reads: dict[str, list[str]] = field(default_factory=dict)
    plans: list[StatementPlan] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Round:
    """One timed run: good answers, good answers a second, latency in ms, the client's share of one CPU."""

    requests: int
    throughput: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    client_cpu: float


@dataclass(frozen=True, slots=True)
class LoadSample:
    """Rounds of a scenario on one candidate and on the null server; `outcomes` counts answers by status.

    `hit_ratio` is the share of requests for which no reviews were read from Postgres. `null_again_rounds`
    are more rounds of the null server, to compare it with itself. `ceiling_rounds` are rounds of nginx, which
    sends the same bytes from disk. `floor_rounds` are rounds of the one statement that builds the page.
    `pool_errors` are what the candidate's connection pool said in its log, and how often. `latencies` are all
    latencies of all rounds as HDR histograms in microseconds, by target: `candidate`, `null`, `null_again`,
    `ceiling`, `floor`.
    """

    scenario: str
    clients: int
    outcomes: dict[str, int]
    rounds: tuple[Round, ...]
    null_rounds: tuple[Round, ...]
    statements_per_request: float
    server_cpu_ms_per_request: float
    server_peak_mb: float
    bodies_checked: int
    bodies_wrong: int
    warm_up_requests: int = 0
    hit_ratio: float | None = None
    null_again_rounds: tuple[Round, ...] = ()
    ceiling_rounds: tuple[Round, ...] = ()
    floor_rounds: tuple[Round, ...] = ()
    pool_errors: dict[str, int] = field(default_factory=dict)
    latencies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CpuCost:
    """The CPU time of one answer, in us, of a candidate and of the null server that sends as many bytes.

    `requests` were answered with 200 or 304; without any, `candidate_us` is None. `outcomes` counts the
    candidate's answers by status. `null_us` is None when the candidate did not even answer a first request.
    `clients` asked at a time; older reports do not tell it.
    """

    scenario: str
    requests: int
    candidate_us: float | None
    null_us: float | None
    outcomes: dict[str, int]
    clients: int | None = None

    @property
    def ratio(self) -> float | None:
        """How many times as much an answer costs as one of the null server."""
        return self.candidate_us / self.null_us if self.candidate_us is not None and self.null_us else None


@dataclass(frozen=True, slots=True)
class PageCost:
    """The cost of a page of 20 that follows `skipped` of the `listed` products: medians of `pages` pages.

    The first page is recorded apart, because it may include work that is done once a minute (counting).
    `depth` is the share of the listing to skip. `trouble` is the reason why a page at that depth was not
    reached or not measured. `counting` are those of the statements that count.
    """

    products: int
    listing: str
    depth: float
    skipped: int
    listed: int
    jumped: bool
    pages: int
    statements: float | None
    rows: float | None
    buffers: float | None
    page_ms: float | None
    first_page_buffers: int | None
    first_page_ms: float | None
    trouble: str | None = None
    counting: float | None = None


@dataclass(frozen=True, slots=True)
class CountCost:
    """What it costs Postgres to count all `counted` of the `products`, with the candidate's indexes."""

    products: int
    counted: int
    ms: float
    buffers: int


@dataclass(frozen=True, slots=True)
class Signal:
    """A sign of tampering: something that no legitimate candidate does."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A criterion that was seen not to hold beside the suite, and what was seen."""

    criterion: str
    message: str


@dataclass(frozen=True, slots=True)
class RealMinute:
    """What ordinary clients found in a minute that really passed, and in which no probe watched.

    `seconds` is how long it took, `requests` how many were answered.
    """

    seconds: float
    requests: int
    findings: tuple[Broken, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """All measurements of one candidate; `content` is the digest of its files.

    `page_500` is the page that follows 500 others in the listing of all products.
    """

    candidate: str
    suite: SuiteRun
    work: tuple[WorkSample, ...]
    load: tuple[LoadSample, ...]
    signals: tuple[Signal, ...] = ()
    error: str | None = None
    content: str = ""
    growth: tuple[PageCost, ...] = ()
    cpu: tuple[CpuCost, ...] = ()
    broken: tuple[Broken, ...] = ()
    real_minute: RealMinute | None = None
    counts: tuple[CountCost, ...] = ()
    page_500: PageCost | None = None

    @property
    def seen_broken(self) -> tuple[Broken, ...]:
        """Every criterion that was seen not to hold beside the suite: on changed rows, in a real minute."""
        return (*self.broken, *(self.real_minute.findings if self.real_minute else ()))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate meets a requirement, and the evidence; None when this machine cannot decide."""

    requirement: str
    passed: bool | None
    evidence: dict[str, object]


@dataclass(frozen=True, slots=True)
class CriterionVerdict:
    """Whether a candidate meets a criterion, and the ids of the tests that say no.

    `passed` is None when the criterion was not timed or not tested, or when this machine cannot decide.
    """

    criterion: str
    level: str
    passed: bool | None
    tests: int
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a grading ended: the name that the report uses, and the reason, which may be empty."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Baseline and candidate as they were measured, and the outcome.

    The verdicts are not stored here: they follow from the measurements alone. `notes` are sentences for the
    reader of the report that decide nothing. `difference` is the patch from the baseline to the candidate;
    None where it could not be made.
    """

    run_id: str
    started_at: datetime
    finished_at: datetime
    profile: str
    environment: dict[str, str]
    before: Measured
    after: Measured
    outcome: Outcome
    notes: tuple[str, ...] = ()
    difference: str | None = None
