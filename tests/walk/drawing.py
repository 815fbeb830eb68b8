"""How Hypothesis's bytes become the steps of a walk: six bytes are a step with its arguments, zeros are none.

Steps built from Hypothesis's own strategies are drawn twenty times slower than they are taken.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.walk.reads import Step
from tests.walk.walk import BEHIND
from tests.walk.world import BUSY_CATEGORIES

BYTES_OF_A_STEP = 6
NAMES = ("A", " padded ", "Ärmel & Co.", "日本", "x" * 200)
PRICES = ("0", "1", "9.99", "12.5", "99999999.99")
CHANGES: dict[str, tuple[Any, ...]] = {
    "name": NAMES,
    "description": ("", "text", "d" * 1_200),
    "price": PRICES,
    "category_id": BUSY_CATEGORIES,
    "is_active": (True, False),
    "quantity": (0, 1, 50),
    "reserved": (0, 1, 60),
}
WRONG_WRITES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/products", {"name": "x", "price": "1.00", "category_id": 999_999}),
    ("POST", "/products", {"name": "", "price": "1.00", "category_id": 5}),
    ("PUT", "/products/{}", {"price": "-1"}),
    ("PUT", "/products/{}", {"name": "Half done", "category_id": 999_999}),
    ("PUT", "/products/{}", {"name": "Half done", "quantity": -1}),
    ("POST", "/products/{}/reviews", {"author_id": 1, "rating": 6, "title": "t"}),
    ("POST", "/products/{}/reviews", {"author_id": 99_999, "rating": 5, "title": "t"}),
)


@dataclass(frozen=True, slots=True)
class Some:
    """Between one and `most` of some choices, in any order."""

    choices: tuple[Any, ...]
    most: int


@dataclass(frozen=True, slots=True)
class Fields:
    """Any of these fields, each with one of its values."""

    values: dict[str, tuple[Any, ...]]


Choices = tuple[Any, ...] | Some | Fields

WHICH, PICK = (0, 1), tuple(range(10))
WATCHED: dict[str, Choices] = {"by": WHICH, "watch": ("", "category", "all", "behind")}
HOW: dict[str, Choices] = {"encoding": ("gzip", "identity", "gzip, deflate, br"), "revalidate": (False, True)}
ARGUMENTS: dict[str, dict[str, Choices]] = {
    "nothing": {},
    "read_listing": {
        "which": WHICH,
        "limit": (2, 1, 3, 5, 2, 1, 3, 20),
        "category": (*BUSY_CATEGORIES, None),
        "active": (True, False),
        "spelling": (0, 1, 2),
        **HOW,
    },
    "read_again": {"which": WHICH, "pick": PICK[:4], **HOW},
    "follow_next": {"which": WHICH, "pick": PICK, **HOW},
    "read_product": {"which": WHICH, "pick": PICK, **HOW},
    "read_batch": {"which": WHICH, "picks": Some(PICK, 4), "unknown": (False, True)},
    "create": {
        "which": WHICH,
        "category": (42, *BUSY_CATEGORIES),
        "name": NAMES,
        "price": PRICES,
        "optional": Fields({name: CHANGES[name] for name in ("description", "is_active", "quantity")}),
        **WATCHED,
    },
    "change": {"which": WHICH, "pick": PICK, **WATCHED, "fields": Fields(CHANGES)},
    "delete": {"which": WHICH, "pick": PICK, **WATCHED},
    "review": {
        "which": WHICH,
        "pick": PICK,
        "rating": (1, 2, 3, 4, 5),
        "author": tuple(range(1, 50)),
        "body": ("b", None),
        **WATCHED,
    },
    "write_wrongly": {"which": WHICH, "pick": PICK, "wrong": WRONG_WRITES},
    "change_behind": {"pick": PICK, "kind": tuple(sorted(BEHIND))},
    "wait": {"seconds": (1, 20, 45, 59, 62, 130)},
    "hang_up": {},
    "at_once": {"pick": PICK, "names": Some(NAMES, 3)},
}
"""What the arguments of every step are chosen from."""

WEIGHTS = {
    "nothing": 1,
    "read_listing": 7,
    "read_again": 11,
    "follow_next": 7,
    "read_product": 5,
    "read_batch": 3,
    "create": 2,
    "change": 6,
    "delete": 2,
    "review": 3,
    "write_wrongly": 2,
    "change_behind": 3,
    "wait": 2,
}
"""How often each step is taken."""
WEIGHTS_OF_TWO = {**WEIGHTS, "hang_up": 2, "at_once": 2}


@dataclass(slots=True)
class Digits:
    """A number whose digits, each of a base of its own, make choices."""

    rest: int

    def below(self, count: int) -> int:
        """The next digit."""
        self.rest, digit = divmod(self.rest, count)
        return digit

    def chosen(self, choices: Choices) -> Any:
        """One choice."""
        if isinstance(choices, Some):
            count = 1 + self.below(choices.most)
            return [choices.choices[self.below(len(choices.choices))] for _ in range(count)]
        if isinstance(choices, Fields):
            digits = {name: self.below(len(values) + 1) for name, values in choices.values.items()}
            return {name: choices.values[name][digit - 1] for name, digit in digits.items() if digit}
        return choices[self.below(len(choices))]


def step(drawn: bytes, names: list[str]) -> Step:
    """The step that some bytes stand for."""
    digits = Digits(int.from_bytes(drawn, "big"))
    name = names[digits.below(len(names))]
    return name, {argument: digits.chosen(choices) for argument, choices in ARGUMENTS[name].items()}


def steps(weights: dict[str, int], count: int) -> st.SearchStrategy[list[Step]]:
    """So many steps; what a failure does not need becomes nothing when Hypothesis shrinks it."""
    names = [name for name, weight in weights.items() for _ in range(weight)]
    drawn = st.lists(
        st.binary(min_size=BYTES_OF_A_STEP, max_size=BYTES_OF_A_STEP), min_size=count, max_size=count
    )
    return drawn.map(lambda all_steps: [step(one, names) for one in all_steps])
