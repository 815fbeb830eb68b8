"""Two texts that began as one are merged word by word, where lines conflict."""

from evaluation.proof.refit import by_words

BASE = "async def load(limit: int) -> list[Json]:\n    return items\n"


def test_words_that_both_changed_in_one_line_are_both_there() -> None:
    mine = BASE.replace("limit: int", "limit: int | None")
    theirs = BASE.replace("list[Json]", "list[bytes]").replace("items", "more")

    merged = by_words(mine, BASE, theirs)

    assert merged == "async def load(limit: int | None) -> list[bytes]:\n    return more\n"


def test_a_word_that_both_changed_is_not_merged() -> None:
    assert by_words(BASE.replace("items", "mine"), BASE, BASE.replace("items", "theirs")) is None
