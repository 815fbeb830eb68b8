"""What was seen of the series so far: `trajectory/series.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.pipeline import ROOT
from evaluation.proof.series.verification import Effect, Seen

FILE = ROOT / "trajectory" / "series.json"
UNKNOWN, PASSED, FAILED = "?", "p", "f"


@dataclass(frozen=True, slots=True)
class Unmet:
    """Tests that failed, and criteria that did not hold."""

    tests: frozenset[str]
    criteria: frozenset[str]


class Record:
    """What was seen of each catalog, by its name; kept in a file that diffs well.

    `tests` has a letter for each catalog, in their order: whether the test passed there.
    """

    def __init__(self, names: Sequence[str], file: Path = FILE) -> None:
        self.names, self.file = list(names), file
        told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        known: dict[str, Any] = told.get("catalogs", {})
        self.catalogs: dict[str, dict[str, Any]] = {name: dict(known.get(name, {})) for name in names}
        columns = {name: number for number, name in enumerate(known)}
        self.tests: dict[str, dict[str, str]] = {
            test: {name: letters[columns[name]] for name in names if name in columns}
            for test, letters in told.get("tests", {}).items()
        }

    def holds(self, name: str, content: str) -> dict[str, bool | None] | None:
        """Which criteria were seen to hold in a catalog; None when it was not seen with these files."""
        one = self.catalogs[name]
        if one.get("content") != content or "holds" not in one:
            return None
        return {**dict.fromkeys(one["fails"], False), **dict.fromkeys(one["holds"], True)}

    def held_before(self, name: str) -> dict[str, bool | None]:
        """Which criteria held when they were seen last in the catalogs before this one."""
        found: dict[str, bool | None] = {}
        for one in self.names[: self.names.index(name)]:
            seen = self.catalogs[one]
            found |= self.holds(one, seen.get("content", "")) or {}
        return found

    def failed_around(self, name: str) -> Unmet:
        """What failed in the next catalogs before and behind this one that were seen whole."""
        place = self.names.index(name)
        before = [one for one in self.names[:place] if self.is_seen_whole(one)][-1:]
        behind = [one for one in self.names[place + 1 :] if self.is_seen_whole(one)][:1]
        if not before or not behind:
            return Unmet(frozenset(), frozenset())
        around = (*before, *behind)
        tests = {test for test, seen in self.tests.items() if all(seen[one] == FAILED for one in around)}
        failing = set.intersection(*(set(self.catalogs[one]["fails"]) for one in around))
        return Unmet(frozenset(tests), frozenset(failing))

    def is_seen_whole(self, name: str) -> bool:
        """Whether every test was run on a catalog."""
        return "holds" in self.catalogs[name] and all(
            seen.get(name, UNKNOWN) != UNKNOWN for seen in self.tests.values()
        )

    def is_seen(self, name: str) -> bool:
        """Whether every test was run on a catalog, but those that failed before and behind it."""
        unknown = {test for test, seen in self.tests.items() if seen.get(name, UNKNOWN) == UNKNOWN}
        return "holds" in self.catalogs[name] and unknown <= self.failed_around(name).tests

    def keep_seen(self, name: str, seen: Seen) -> None:
        """Note which criteria hold and which tests passed, beside what was seen with the same files."""
        self.forget_others(name, seen.content)
        known = {criterion: passed for criterion, passed in seen.holds.items() if passed is not None}
        holds = {**(self.holds(name, seen.content) or {}), **known}
        self.catalogs[name]["holds"] = [criterion for criterion, passed in holds.items() if passed]
        self.catalogs[name]["fails"] = [criterion for criterion, passed in holds.items() if not passed]
        for test, outcome in seen.passed.items():
            self.tests.setdefault(test, {})[name] = PASSED if outcome else FAILED

    def keep_effect(self, name: str, effect: Effect) -> None:
        """Note what a step did to the criteria."""
        self.catalogs[name] |= {"turned_green": list(effect.green), "turned_red": list(effect.red)}

    def keep(self, name: str, content: str, **what: Any) -> None:
        """Note more of a catalog: what its requests cost (`work`), and how long they take (`times`)."""
        self.forget_others(name, content)
        self.catalogs[name] |= what

    def keep_without(self, name: str, what: Mapping[str, Any] | None, reason: str | None) -> None:
        """Note what the reference costs without a step, or why that is not known."""
        self.catalogs[name] |= {"without": dict(what) if what else None, "without_reason": reason}

    def forget_others(self, name: str, content: str) -> None:
        """Forget what was seen of a catalog when it had other files."""
        if self.catalogs[name].get("content") != content:
            self.catalogs[name] = {"content": content}
            for seen in self.tests.values():
                seen.pop(name, None)

    def write(self) -> None:
        """Leave the file."""
        tests = {
            test: "".join(letters.get(name, UNKNOWN) for name in self.names)
            for test, letters in sorted(self.tests.items())
            if set(letters.values()) & {PASSED, FAILED}
        }
        text = json.dumps({"catalogs": self.catalogs, "tests": tests}, indent=2, ensure_ascii=False)
        self.file.write_text(text + "\n", encoding="utf-8")
