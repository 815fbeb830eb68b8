"""Whose fault it is when an evaluation cannot go on.

EvaluationError
├── CandidateError        the candidate broke the contract: graded as failed (exit status 1)
├── InfrastructureError   our side broke: no verdict (exit status 2)
└── UsageError            asked for something that does not exist (exit status 64)
"""


class EvaluationError(Exception):
    """Anything that stops an evaluation from going on."""


class CandidateError(EvaluationError):
    """The candidate broke the contract: graded as failed."""


class InfrastructureError(EvaluationError):
    """Our side broke: no verdict."""


class UsageError(EvaluationError):
    """The command line asks for something that does not exist."""
