"""The errors that stop an evaluation; their types name whose fault it is.

EvaluationError
├── CandidateError        the candidate broke the contract: graded as failed (exit status 1)
│   ├── EmptyPatchError       a patch that changes nothing
│   ├── PatchFailedError      a patch that does not apply
│   ├── ProbeSilencedError    a candidate that runs while the probe in it no longer answers
│   └── CandidateTimeoutError a candidate that did not finish in time
├── InfrastructureError   a failure on our side: no verdict (exit status 2)
└── UsageError            the command line names something that does not exist (exit status 64)
"""

RESOLVED, UNRESOLVED, NO_VERDICT, USAGE = 0, 1, 2, 64
"""The exit statuses of every command."""


class EvaluationError(Exception):
    """Anything that stops an evaluation from going on; `status` is the exit status."""

    status = NO_VERDICT


class CandidateError(EvaluationError):
    """The candidate broke the contract: graded as failed."""

    status = UNRESOLVED


class EmptyPatchError(CandidateError):
    """A patch that changes nothing."""


class PatchFailedError(CandidateError):
    """A patch that does not apply."""


class ProbeSilencedError(CandidateError):
    """The worker runs, but the probe in it no longer answers."""


class CandidateTimeoutError(CandidateError):
    """A candidate that did not finish in time."""


class InfrastructureError(EvaluationError):
    """A failure on our side: no verdict."""


class UsageError(EvaluationError):
    """The command line names something that does not exist."""

    status = USAGE
