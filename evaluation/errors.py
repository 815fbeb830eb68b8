"""Whose fault it is when an evaluation cannot go on.

EvaluationError
├── CandidateError        the candidate broke the contract: graded as failed (exit status 1)
│   ├── EmptyPatchError       a patch that changes nothing
│   ├── PatchFailedError      a patch that does not apply
│   ├── ProbeSilencedError    a candidate that runs and keeps the probe from answering
│   └── CandidateTimeoutError a candidate that did not come to an end
├── InfrastructureError   our side broke: no verdict (exit status 2)
└── UsageError            asked for something that does not exist (exit status 64)
"""


class EvaluationError(Exception):
    """Anything that stops an evaluation from going on."""


class CandidateError(EvaluationError):
    """The candidate broke the contract: graded as failed."""


class EmptyPatchError(CandidateError):
    """A patch that changes nothing."""


class PatchFailedError(CandidateError):
    """A patch that does not apply."""


class ProbeSilencedError(CandidateError):
    """The serving process runs, and the probe in it does not answer any more."""


class CandidateTimeoutError(CandidateError):
    """A candidate that did not come to an end in its time."""


class InfrastructureError(EvaluationError):
    """Our side broke: no verdict."""


class UsageError(EvaluationError):
    """The command line asks for something that does not exist."""
