"""What a report tells of criteria, and how terminal, Markdown and JUnit tell it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import ValidationError

from evaluation.criteria import criteria
from evaluation.errors import CandidateError
from evaluation.judge.cpu import CRITERION
from evaluation.measure.settings import Settings
from evaluation.pipeline import judged, unmeasured_candidate
from evaluation.records import CaseResult, Measured, Outcome, Signal, WorkSample
from evaluation.report import document, junit, markdown, terminal
from evaluation.report.printable import CONTROL, first_lines, one_line, printable
from evaluation.tests.test_judge import CHEAP, by_criterion, load, loaded, measured

COSTLY = replace(CHEAP, candidate_us=2218.0, null_us=45.0)
QUICK, FULL = Settings(with_load=False, seed=42), Settings(seed=42)
NASTY = (
    "\x00\x1b[31mred\x9b\r\nline\u2028|<b>`\udfff\ud800\ufffe\uffff & ]]> \u202e*_[x](http://y) @all #1 "
    "_em_ __b__ www.x é 美"
)
EVERY = "".join(map(chr, range(0x3000))) + "\udfff\ud800\ufffe\uffff\U0001f3b2"


def saying(measured: Measured, message: str) -> Measured:
    """The same results, in which every failed test says this."""
    tests = tuple(
        replace(one, message=message if one.outcome != "passed" else "") for one in measured.suite.tests
    )
    return replace(measured, suite=replace(measured.suite, tests=tests))


def report(
    after: Measured, settings: Settings = QUICK, before: Measured | None = None, ending: Outcome | None = None
) -> dict[str, Any]:
    """The report on a candidate, as it is read back from a file."""
    baseline = before or by_criterion({"R08.3": "failed", "R08.6": "failed"})
    found = judged(baseline, after, settings, datetime.now(UTC), ending)
    read: dict[str, Any] = json.loads(json.dumps(document.as_report(found)))
    document.validate(read)
    return read


def test_a_report_has_one_row_for_every_criterion_with_both_sides() -> None:
    found = report(by_criterion({"R12.4": "failed"}))

    rows = {row["criterion"]: row for row in found["criteria"]}
    assert list(rows) == list(criteria())
    assert rows["R12.4"]["after"] == {"passed": False, "tests": 1, "failed": ["test of R12.4"]}
    assert rows["R08.3"]["before"]["passed"] is False
    assert rows["R08.3"]["sentence"] == criteria()["R08.3"].sentence
    assert (rows["API.1"]["requirement"], rows["R08.6"]["requirement"]) == (None, "R08")
    assert rows["R01.1"]["after"] == {"passed": None, "tests": 0, "failed": []}
    assert found["environment"]["seed"] == "42"


def test_hardening_counts_what_was_judged_in_this_profile() -> None:
    quick = report(by_criterion({"R12.4": "failed"}))
    full = report(
        replace(by_criterion({"R12.4": "failed"}), load=(load("stampede", 100), load("hot", 30))), FULL
    )

    assert quick["hardening"]["missing"] == full["hardening"]["missing"] == ["R12.4"]
    assert full["hardening"]["total"] == quick["hardening"]["total"] + 1
    assert full["hardening"]["held"] == full["hardening"]["total"] - 1


@pytest.mark.parametrize(
    ("broken", "hardened"), [({}, True), ({"R12.4": "failed"}, False), ({"R08.3": "failed"}, False)]
)
def test_hardened_means_resolved_and_all_hardening_holds(broken: dict[str, str], hardened: bool) -> None:
    assert report(by_criterion(broken))["hardened"] is hardened


def test_a_candidate_that_tampers_is_not_hardened() -> None:
    cheat = replace(by_criterion({}), signals=(Signal("no_work", "GET /products"),))

    assert report(cheat)["hardened"] is False


def test_the_list_of_hardening_tests_is_in_the_report() -> None:
    comparison = report(by_criterion({"R12.4": "failed"}))["results"]["comparison"]

    assert "test of R08.6" in comparison["hardening"]
    assert "test of R12.4" not in comparison["hardening"]
    assert comparison["fail_to_pass"] == ["test of R08.3"]


def test_load_evidence_tells_the_rounds_over_the_limit() -> None:
    found = report(loaded(load("stampede", 300), load("hot", 30)), FULL)

    told = found["requirements"][0]["after"]["evidence"]["load"]
    assert told["stampede"]["rounds_over_limit"] == "5 of 5 rounds over 200 ms"
    assert told["hot"]["rounds_over_limit"] == "0 of 5 rounds over 200 ms"
    assert "after, hot, 500 clients: 2500 x 200, P95 30 ms (0 of 5 rounds over 200 ms)" in terminal.summary(
        found
    )


def test_what_a_connection_pool_said_under_load_is_told_and_kept() -> None:
    said = {"TimeoutError: QueuePool limit of size 5 overflow 10 reached": 25}
    stampede = replace(load("stampede", 100), outcomes={"500": 25, "timeout": 475}, pool_errors=said)

    found = report(loaded(stampede, load("hot", 30)), FULL)

    told = "after, stampede, its pool: 25 x TimeoutError: QueuePool limit of size 5 overflow 10 reached"
    assert told in terminal.summary(found).splitlines()
    assert document.measured_side(found, "after").load[0].pool_errors == said
    found["load"]["after"]["stampede"]["pool_errors"] = {"QueuePool limit": "often"}
    with pytest.raises(ValidationError):
        document.validate(found)


def test_the_last_lines_tell_outcome_profile_and_hardening() -> None:
    found = report(by_criterion({"R12.4": "failed", "R15.6": "failed"}))
    total = found["hardening"]["total"]

    assert terminal.summary(found).splitlines()[-2:] == [
        "outcome: resolved (profile quick: R01.1 not timed)",
        f"hardening: {total - 2} of {total} (missing: R12.4, R15.6)",
    ]
    assert terminal.gradings([found]).splitlines()[-2:] == terminal.summary(found).splitlines()[-2:]


def test_in_the_full_profile_nothing_is_left_untimed() -> None:
    found = report(loaded(load("stampede", 100), load("hot", 30)), FULL)

    assert "outcome: resolved (profile full)" in terminal.summary(found)
    assert "not timed" not in terminal.summary(found) + markdown.text([found])


def test_a_machine_that_cannot_decide_is_not_an_untimed_profile() -> None:
    found = report(loaded(load("stampede", 100), load("hot", 300, 90)), FULL)

    assert "outcome: no_verdict (profile full: R01.1 not decided on this machine)" in terminal.summary(found)


def test_a_criterion_that_no_test_judges_is_told() -> None:
    whole = by_criterion({})
    tests = tuple(one for one in whole.suite.tests if one.criterion != "R08.3")
    found = report(replace(whole, suite=replace(whole.suite, tests=tests)))

    assert "(profile quick: R01.1 not timed; R08.3 not tested)" in terminal.summary(found)


def test_a_suite_whose_tests_name_no_criteria_is_not_called_untested() -> None:
    found = report(measured({}), before=measured({"R08": "failed"}))

    assert "outcome: resolved (profile quick: R01.1 not timed)" in terminal.summary(found)
    assert "hardening: 0 of 0" in terminal.summary(found)


def test_of_a_candidate_that_could_not_be_measured_the_reason_is_told_alone() -> None:
    whole = by_criterion({})
    silent = unmeasured_candidate("silent", whole, CandidateError("it cannot be imported"))

    found = report(silent)

    for shown in (terminal.gradings([found]), markdown.text([found])):
        assert "it cannot be imported" in shown
        assert "not run" not in shown
    told = found["results"]["after"]["tests"]
    assert {(test["outcome"], test["message"][:7]) for test in told} == {("error", "not run")}
    assert told[0]["criterion"] == "API.1"
    assert found["hardening"]["held"] == 0


def test_the_last_line_of_a_reason_is_told_first_and_not_cut_off() -> None:
    whole = by_criterion({})
    trace = "Traceback (most recent call last):\n" + '  File "main.py", line 1, in <module>\n' * 20
    error = CandidateError(f"it cannot be imported:\n{trace}ModuleNotFoundError: No module named 'nowhere'\n")

    found = report(unmeasured_candidate("broken", whole, error))

    told = "ModuleNotFoundError: No module named 'nowhere' it cannot be imported: Traceback"
    assert told in terminal.gradings([found])
    assert told.replace("_", "&#95;") in markdown.text([found])
    lines = terminal.summary(report(replace(whole, error=str(error)))).splitlines()
    start = lines.index("because: ModuleNotFoundError: No module named 'nowhere'")
    assert lines[start + 1] == "    it cannot be imported:"
    assert "R02" not in found["error"]


def test_requirements_are_told_with_their_titles_and_r01_as_not_timed() -> None:
    found = report(by_criterion({}), before=replace(by_criterion({}), cpu=(COSTLY,)))
    lines = terminal.summary(found).splitlines()

    [first] = [line for line in lines if line.startswith("R01 ")]
    [second] = [line for line in lines if line.startswith("R02 ")]
    assert first.split("  ")[0] == "R01"
    assert "fail, not timed" in first
    assert "pass, not timed" in first
    assert first.endswith("GET /products stays under 200 ms at P95 with 500 concurrent clients")
    assert "not timed" not in second
    assert "| R01 | GET /products stays" in markdown.text([found])
    assert "| **fail**, not timed | pass, not timed |" in markdown.text([found])


def test_failed_tests_are_told_with_criterion_sentence_and_message() -> None:
    found = report(saying(by_criterion({"R08.3": "failed"}), "still old after 61 s\nGET /products?limit=3"))

    for text in (terminal.summary(found), terminal.gradings([found])):
        lines = text.splitlines()
        start = next(n for n, line in enumerate(lines) if line.startswith("R08.3"))
        assert "After 60 s a listing shows" in lines[start]
        assert lines[start + 1 : start + 4] == [
            "  test of R08.3",
            "    still old after 61 s",
            "    GET /products?limit=3",
        ]


def test_many_failures_are_cut_and_counted() -> None:
    every = {one.id: "failed" for one in criteria().values()}
    found = report(saying(by_criterion(every), "first\nsecond\nthird\nfourth"))
    specified = sum(
        one.level == "specified" and one.profile is None and one.id != CRITERION
        for one in criteria().values()
    )

    lines = terminal.summary(found).splitlines()
    start = lines.index("failed:")
    told = lines[start + 1 : lines.index("", start)]
    shown = sum(line.startswith("  test of") for line in told)
    assert len(told) <= 13
    assert shown == 4
    assert "second" not in " ".join(told)
    assert told[-1] == f"and {specified - shown} more: evaluation.py explain REPORT TEST"


def test_a_failed_hardening_test_is_no_reason_in_the_terminal_but_stands_in_markdown() -> None:
    found = report(saying(by_criterion({"R12.4": "failed"}), "gzip all the same"))

    assert "gzip all the same" not in terminal.summary(found)
    assert "| R12.4 | hardening | A client that refuses gzip by" in markdown.text([found])
    assert "<code>gzip all the same</code>" in markdown.text([found])


def test_a_failed_timing_is_told_with_its_figures() -> None:
    found = report(loaded(load("stampede", 100), load("hot", 270)), FULL)

    for text in (terminal.summary(found), markdown.text([found])):
        assert "R01.1" in text
        assert "P95 270 ms (5 of 5 rounds over 200 ms), null server 30 ms; 2500 x 200" in text


def test_the_cpu_time_of_a_warm_answer_is_told_on_both_sides_and_where_it_fails() -> None:
    found = report(replace(by_criterion({}), cpu=(COSTLY,)))

    assert found["cpu"]["after"]["warm_page"]["candidate_us"] == 2218.0
    shown = terminal.summary(found)
    told = "2218 us of CPU for a warm answer (20 clients), 49.3 times the null server's 45 us"
    assert f"after, warm_page: {told}" in shown
    assert "before, warm_page: 200 us of CPU for a warm answer (20 clients), 5.0 times" in shown
    assert f"because: not met: R01; R01.2: {told}" in shown
    assert "R01.2 A warm listing costs the server little CPU time" in shown
    assert "| measured | <code>2218 us of CPU" in markdown.text([found])


def test_the_share_of_bytes_that_compression_saves_is_told_on_both_sides() -> None:
    page = WorkSample("first_page_cold", 200, 3, 3, 1, 1, 80_000, 20_000, "")
    empty = replace(page, scenario="first_page_warm", body_bytes=0, wire_bytes=0)
    plain = (replace(page, wire_bytes=80_000), empty)

    found = report(
        replace(by_criterion({}), work=(page, empty)), before=replace(by_criterion({}), work=plain)
    )

    lines = {line.split()[0]: line for line in terminal.summary(found).splitlines() if line}
    assert lines["first_page_cold"].split()[-6:] == ["80.0", "->", "20.0", "0%", "->", "75%"]
    assert lines["first_page_warm"].split()[-3:] == ["-", "->", "-"]
    assert "| first_page_cold | 3 -> 3 | 80.0 -> 20.0 | 0% -> 75% |" in markdown.text([found])


def test_how_tables_were_read_is_told_where_it_changed() -> None:
    page = WorkSample("first_page_cold", 200, 3, 3, 1, 1, 1, 1, "")
    scans = {"reviews": ["Seq Scan"], "categories": ["Index Scan"], "users": ["Index Scan"]}
    indexes = {"reviews": ["Bitmap Heap Scan", "Index Scan"], "users": ["Index Scan"]}
    before, after = (replace(by_criterion({}), work=(replace(page, reads=one),)) for one in (scans, indexes))

    found = report(after, before=before)

    lines = terminal.summary(found).splitlines()
    told = [line.split(maxsplit=2) for line in lines if line.startswith("first_page_cold")][1:]
    assert told == [
        ["first_page_cold", "categories", "Index Scan -> not read"],
        ["first_page_cold", "reviews", "Seq Scan -> Bitmap Heap Scan, Index Scan"],
    ]
    assert "| first_page_cold | reviews | Seq Scan | Bitmap Heap Scan, Index Scan |" in markdown.text([found])
    assert document.measured_side(found, "after").work[0].reads == indexes
    for side in ("before", "after"):
        del found["work"][side]["first_page_cold"]["reads"]
    assert "read by" not in terminal.summary(found)
    assert "read before" not in markdown.text([found])


def test_cpu_time_that_was_not_measured_is_told() -> None:
    found = report(replace(by_criterion({}), cpu=()))

    assert "R01.1 not timed; R01.2 not measured" in terminal.summary(found)


def test_nothing_that_a_candidate_says_can_pass_for_the_last_lines() -> None:
    ending = Outcome("unresolved", "boom\noutcome: resolved (profile full)\n\x1b[2Joutcome: resolved")

    lines = terminal.summary(report(by_criterion({}), ending=ending)).splitlines()

    assert sum(line.startswith("outcome: ") for line in lines) == 1
    assert lines[-2].startswith("outcome: unresolved")


@pytest.mark.parametrize("text", [NASTY, EVERY])
def test_control_characters_are_replaced(text: str) -> None:
    shown = printable(text)

    shown.encode()
    assert not [c for c in shown if c in "\x00\x1b\x7f\x9b\r\u2028\u202e" or 0xD800 <= ord(c) < 0xE000]
    assert printable("\x1b[1mé\t\n美 🎲\x9b\ud800") == "\\x1b[1mé\t\n美 🎲\\x9b\\ud800"
    assert len(one_line(text)) <= 160
    assert first_lines("\n\n a\r\n\n b\n c", 2) == ["a", "b"]


@pytest.mark.parametrize("text", [NASTY, EVERY])
def test_every_form_of_a_report_survives_any_text(text: str, tmp_path: Path) -> None:
    nasty = CaseResult(f"t[{text}]", "failed", "R08", "R08.3", "specified", text, 1.5)
    after = by_criterion({"R12.4": "failed", "R07.1": "error"})
    suite = replace(after.suite, tests=(*after.suite.tests, nasty))
    after = saying(replace(after, candidate=text, suite=suite), text)
    found = report(after, ending=Outcome("unresolved", text))

    junit.write([found], tmp_path / "junit.xml")
    path = document.write(found, tmp_path)

    assert not CONTROL.search(path.read_text(encoding="utf-8"))
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    [case] = [one for one in root.iter("testcase") if one.get("name") == printable(nasty.nodeid)]
    assert case.get("time") == "1.500"
    [failure] = case
    assert (failure.tag, failure.get("type")) == ("failure", "specified")
    assert failure.get("message") == one_line(text)
    assert failure.text == f"R08.3 {criteria()['R08.3'].sentence}\n\n{printable(text)}"
    assert document.measured_side(json.loads(path.read_text(encoding="utf-8")), "after").suite.tests
    for shown in (terminal.summary(found), terminal.gradings([found]), markdown.text([found])):
        assert shown == printable(shown)


def test_foreign_text_in_markdown_is_only_text() -> None:
    found = report(saying(by_criterion({"R08.3": "failed"}), NASTY), ending=Outcome("unresolved", NASTY))

    shown = markdown.text([found])

    rows = [line for line in shown.splitlines() if "R08.3 |" in line or "**unresolved**" in line]
    assert [line.count("|") for line in rows] == [6, 6]
    assert "<code>test of R08.3</code>" in shown
    for part in ("<b>", "[x]", "http://", "@all", "`", "_em_", "__b", "www."):
        assert all(part not in line for line in rows)


def test_junit_counts_and_tells_every_failure(tmp_path: Path) -> None:
    after = saying(
        by_criterion({"R08.3": "failed", "R12.4": "failed", "R07.1": "error", "R02.1": "skipped"}), "why"
    )

    junit.write([report(after)], tmp_path / "junit.xml")

    [suite] = ElementTree.parse(tmp_path / "junit.xml").getroot()
    kinds = {one.get("name"): [part.tag for part in one] for one in suite.iter("testcase")}
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("2", "1", "1")
    assert kinds["test of R08.3"] == kinds["test of R12.4"] == ["failure"]
    assert (kinds["test of R07.1"], kinds["test of R02.1"]) == (["error"], ["skipped"])
    assert kinds["test of R08.1"] == []
    assert {part.get("type") for part in suite.iter("failure")} == {"specified", "hardening"}
