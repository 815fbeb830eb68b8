"""What handlers get of the lines that the reference writes together: each is a record of its own."""

import json
from select import PIPE_BUF

import pytest

from evaluation.serving.workbench import Stage
from evaluation.tests.served import printed_by

PRELUDE = """
import io, json, logging, sys
from repository_after import timing

class Kept(logging.Handler):
    def __init__(self, level=logging.NOTSET):
        super().__init__(level)
        self.messages = []
        logging.getLogger().addHandler(self)
    def emit(self, record):
        self.messages.append(record.getMessage())

class Closed(io.StringIO):
    def write(self, text):
        raise OSError("no room")

def stream(file):
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    return handler

logging.getLogger().setLevel(logging.INFO)
timing.pending.lines = [f"line {number}" for number in range(45)]
"""


def seen(stage: Stage, code: str) -> list[str]:
    """The list that code prints as JSON, behind the prelude."""
    found: list[str] = json.loads(printed_by(PRELUDE + code, stage))
    return found


LINES = [f"line {number}" for number in range(45)]


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("kept = Kept(); timing.pending.write(); print(json.dumps(kept.messages))", LINES),
        ("kept = Kept(logging.WARNING); timing.pending.write(); print(json.dumps(kept.messages))", []),
        (
            "kept = Kept(); timing.logger.addFilter(lambda record: '7' in record.msg)\n"
            "timing.pending.write(); print(json.dumps(kept.messages))",
            [line for line in LINES if "7" in line],
        ),
        (
            "kept = Kept(); timing.logger.propagate = False; timing.pending.write()\n"
            "print(json.dumps(kept.messages))",
            [],
        ),
        (
            "stream(Closed()); kept = Kept(); timing.pending.write(); print(json.dumps(kept.messages))",
            LINES,
        ),
    ],
    ids=["each", "level", "filter", "not passed on", "a stream that fails"],
)
def test_handlers_get_the_records_that_they_would_get_one_by_one(
    stage: Stage, code: str, wanted: list[str]
) -> None:
    assert seen(stage, code) == wanted


def test_a_stream_gets_every_line_whole_and_in_order(stage: Stage) -> None:
    code = """
file = io.StringIO()
stream(file).addFilter(lambda record: not record.msg.endswith("3"))
timing.pending.write()
print(json.dumps(file.getvalue().splitlines()))
"""
    wanted = [f"INFO repository_after.timing {line}" for line in LINES if not line.endswith("3")]

    assert seen(stage, code) == wanted


def test_no_piece_is_longer_than_a_pipe_writes_at_once(stage: Stage) -> None:
    code = """
class Pieces(io.StringIO):
    sizes = []
    def write(self, text):
        self.sizes.append(str(len(text)))

stream(Pieces())
line = "GET /products?limit=20&category_id=11 route=/products status=200 duration_ms=12.34"
timing.pending.lines = [line] * 200
timing.pending.write()
print(json.dumps(Pieces.sizes))
"""
    sizes = [int(size) for size in seen(stage, code)]

    assert len(sizes) < 200 / 10
    assert max(sizes) <= PIPE_BUF


@pytest.mark.parametrize(
    "formatter",
    [
        "None",
        "logging.Formatter('%(asctime)s %(message)s')",
        "logging.Formatter('{levelname} {message}', style='{')",
        "logging.Formatter('$message.', style='$')",
        "logging.Formatter('%(message)-20s|')",
        "logging.Formatter('%(message).6s')",
        "logging.Formatter('{message!r}', style='{')",
        "logging.Formatter('%(message)s %(message)s')",
        "logging.Formatter('%(levelname)s')",
        "Marking()",
    ],
)
def test_a_stream_gets_what_its_formatter_makes_of_every_line(stage: Stage, formatter: str) -> None:
    code = f"""
class OneByOne(logging.StreamHandler):
    pass

class Marking(logging.Formatter):
    def format(self, record):
        return super().format(record).replace("11", "eleven")

files = io.StringIO(), io.StringIO()
for kind, file in zip((logging.StreamHandler, OneByOne), files):
    handler = kind(file)
    handler.setFormatter({formatter})
    logging.getLogger().addHandler(handler)
timing.pending.lines += ["a back\\\\slash", "", "line 7" * 30]
timing.pending.write()
print(json.dumps([file.getvalue() for file in files]))
"""

    together, one_by_one = seen(stage, code)

    assert together == one_by_one
    assert together.count("\n") == len(LINES) + 3


def test_a_stream_that_fails_after_a_filter_took_every_line_breaks_nothing(stage: Stage) -> None:
    code = """
stream(Closed()); timing.logger.addFilter(lambda record: False)
timing.pending.write()
print(json.dumps(timing.pending.lines))
"""

    assert seen(stage, code) == []
