"""The list of criteria is read, and a malformed one is refused with a reason."""

import pytest

from evaluation.criteria import CriteriaError, criteria, parsed, requirement_of, requirements
from evaluation.records import REQUIREMENTS

GOOD = """
[[requirement]]
id = "R08"
title = "Listings are cached"
[[requirement.criterion]]
id = "R08.1"
level = "specified"
profile = "full"
sentence = "A listing is kept."
"""


def test_every_requirement_has_criteria_that_decide() -> None:
    assert [row.id for row in requirements()] == ["API", *REQUIREMENTS]
    assert all(any(one.level == "specified" for one in row.criteria) for row in requirements())


def test_the_criteria_of_the_api_belong_to_no_requirement() -> None:
    assert requirement_of("R08.3") == criteria()["R08.3"].requirement == "R08"
    assert requirement_of("API.2") is criteria()["API.2"].requirement is None


def test_a_criterion_is_read_with_its_profile() -> None:
    [row] = parsed(GOOD)
    [one] = row.criteria

    assert (row.title, one.id, one.level, one.profile) == (
        "Listings are cached",
        "R08.1",
        "specified",
        "full",
    )
    assert one.sentence == "A listing is kept."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[requirement]]", "[[", "malformed"),
        ("[[requirement.criterion]]", "[[requirement.other]]", "criterion"),
        ('title = "Listings are cached"', "", "title"),
        ('"R08"', '"R8"', "'R8' is not the id of a requirement"),
        ('"R08.1"', '"R09.1"', "'R09.1' is not an id of R08"),
        ('"R08.1"', "1", "malformed"),
        ('"specified"', '"nice"', "the level is 'nice'"),
        ('"full"', '"quick"', "profile"),
        ('"A listing is kept."', '" "', "no sentence"),
        ("profile", "profil", "unknown fields: profil"),
        (GOOD, GOOD + GOOD, "two entries R08, R08.1"),
    ],
)
def test_a_malformed_list_is_refused_with_a_reason(old: str, new: str, message: str) -> None:
    assert old in GOOD

    with pytest.raises(CriteriaError, match=message):
        parsed(GOOD.replace(old, new))
