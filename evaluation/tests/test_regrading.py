"""A report is judged again from its measurements, its new parts as well; older reports stay readable."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation.cli import regrade_main
from evaluation.errors import NO_VERDICT, RESOLVED, UNRESOLVED
from evaluation.records import Broken, LoadSample
from evaluation.report import document, explain, junit, markdown, terminal
from evaluation.tests.test_judge import CHEAP, by_criterion, load, measured
from evaluation.tests.test_reporting import FULL, report, saying

LOAD = (load("stampede", 100), load("hot", 30))


def loaded_report(broken: dict[str, str], samples: tuple[LoadSample, ...] = LOAD) -> dict[str, Any]:
    """A report of the profile full."""
    return report(saying(replace(by_criterion(broken), load=samples), "why"), FULL)


def older(found: dict[str, Any]) -> dict[str, Any]:
    """The report as it was before there were criteria."""
    for name in ("profile", "criteria", "hardening", "hardened", "cpu"):
        del found[name]
    del found["results"]["comparison"]["hardening"]
    for side in ("before", "after"):
        del found["results"][side]["seed"]
        found["results"][side]["tests"] = [
            {name: test[name] for name in ("nodeid", "name", "outcome", "requirement")}
            for test in found["results"][side]["tests"]
        ]
    for row in found["requirements"]:
        del row["title"]
        for side in ("before", "after"):
            for evidence in row[side]["evidence"].get("load", {}).values():
                del evidence["rounds_over_limit"]
    return found


def regrade(found: dict[str, Any], folder: Path) -> int:
    """The exit status of `regrade` on a report."""
    return regrade_main([str(document.write(found, folder))])


@pytest.mark.parametrize(
    ("broken", "status"), [({}, RESOLVED), ({"R12.4": "failed"}, RESOLVED), ({"R08.3": "failed"}, UNRESOLVED)]
)
def test_a_report_gets_the_same_verdicts_again(
    tmp_path: Path, broken: dict[str, str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert regrade(loaded_report(broken), tmp_path) == status
    assert "differ" not in capsys.readouterr().err


@pytest.mark.parametrize(("candidate_us", "status"), [(1600.0, RESOLVED), (1601.0, UNRESOLVED)])
def test_cpu_time_is_judged_again(
    tmp_path: Path, candidate_us: float, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(replace(by_criterion({}), cpu=(replace(CHEAP, candidate_us=candidate_us),)))

    assert regrade(found, tmp_path) == status
    assert "differ" not in capsys.readouterr().err
    found["cpu"]["after"]["warm_page"]["candidate_us"] = 1601.0 if status == RESOLVED else 1600.0
    assert regrade(found, tmp_path) == NO_VERDICT


def test_wrong_answers_on_changed_rows_are_judged_again_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "GET /products?limit=9 on changed rows: items[0].name is 'a' instead of 'b'"
    found = report(replace(by_criterion({}), broken=(Broken("API.2", message),)))

    assert regrade(found, tmp_path) == UNRESOLVED
    assert "differ" not in capsys.readouterr().err
    for told in (
        terminal.summary(found),
        markdown.text([found]),
        explain.text(found, None),
        explain.text(found, "API.2"),
    ):
        assert "API.2" in told
        assert "GET /products?limit=9 on changed rows" in told
    found["results"]["after"]["broken"] = []
    assert regrade(found, tmp_path) == NO_VERDICT


def flip_criterion(found: dict[str, Any]) -> None:
    found["criteria"][3]["after"]["passed"] = False


def flip_baseline(found: dict[str, Any]) -> None:
    found["criteria"][3]["before"]["passed"] = None


def hide_missing(found: dict[str, Any]) -> None:
    found["hardening"]["missing"] = []


def claim_hardened(found: dict[str, Any]) -> None:
    found["hardened"] = True


def drop_rounds(found: dict[str, Any]) -> None:
    found["requirements"][0]["after"]["evidence"]["load"]["hot"]["rounds_over_limit"] = "9 of 9"


def add_passed(found: dict[str, Any]) -> None:
    found["results"]["comparison"]["hardening"].append("another")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (flip_criterion, "criteria"),
        (flip_baseline, "criteria"),
        (hide_missing, "hardening"),
        (claim_hardened, "hardened"),
        (drop_rounds, "requirements"),
        (add_passed, "comparison"),
    ],
)
def test_a_changed_part_is_noticed(
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = loaded_report({"R12.4": "failed"})
    change(found)

    assert regrade(found, tmp_path) == NO_VERDICT
    assert f"the stored {named} differ" in capsys.readouterr().err


def test_other_words_are_no_other_verdict(tmp_path: Path) -> None:
    found = loaded_report({})
    found["criteria"][3]["sentence"] = found["requirements"][3]["title"] = "Told in other words."

    assert regrade(found, tmp_path) == RESOLVED


def test_an_older_report_is_judged_by_requirements(tmp_path: Path) -> None:
    after = replace(measured({}), load=LOAD)
    found = report(after, FULL, before=measured({"R08": "failed"}))

    assert regrade(older(found), tmp_path) == RESOLVED


def test_in_an_older_report_every_test_decides(tmp_path: Path) -> None:
    found = older(loaded_report({"R12.4": "failed"}))

    assert regrade(found, tmp_path) == NO_VERDICT


def test_an_older_report_whose_stampede_decided_is_judged_otherwise_now(tmp_path: Path) -> None:
    found = older(loaded_report({}, (load("stampede", 300), load("hot", 30))))
    found["requirements"][0]["after"]["passed"] = False
    found["outcome"], found["success"] = "unresolved", False

    assert regrade(found, tmp_path) == NO_VERDICT


def test_every_form_of_an_older_report_can_be_written(tmp_path: Path) -> None:
    found = older(loaded_report({"R08.3": "failed"}))

    junit.write([found], tmp_path / "junit.xml")

    assert terminal.summary(found).splitlines()[-1] == "outcome: unresolved"
    assert "test of R08.3" in terminal.gradings([found])
    assert "test of R08.3" in markdown.text([found])


def test_half_a_surrogate_pair_survives_the_file(tmp_path: Path) -> None:
    found = report(saying(by_criterion({"R08.3": "failed"}), "\ud800 é"))

    read = json.loads(document.write(found, tmp_path).read_text(encoding="utf-8"))

    assert read == found
