"""What pytest reported about the tests of a mutant."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree as ET

# A test that fails so shows that the mutant is not valid code, or only slow; not that the test checks the invariant.
_NOT_A_CHECK = re.compile(
    r"\b(SyntaxError|IndentationError|NameError|UnboundLocalError|ImportError|ModuleNotFoundError|Timeout)\b"
)


class Verdict(StrEnum):
    """How a mutant ended."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    BROKEN = "BROKEN"


@dataclass(frozen=True, slots=True)
class Case:
    """One reported test. `problem` is how it failed or could not run, None if it passed or was skipped."""

    name: str
    is_passed: bool
    is_failed: bool
    problem: str | None

    def is_of(self, test: str) -> bool:
        """True for the test with this node id, or for one of its parameters."""
        return self.name == test or self.name.startswith(f"{test}[")


def read_cases(report: Path) -> list[Case]:
    """The tests of a report in pytest's JUnit form; none if pytest wrote no report."""
    if not report.exists():
        return []
    cases = []
    for element in ET.parse(report).iter("testcase"):
        failure, error = element.find("failure"), element.find("error")
        problem = next((_first_line(each) for each in (failure, error) if each is not None), None)
        modules = element.get("classname", "").split(".")
        classes = [each for each in modules if each[:1].isupper()]
        file = "/".join(each for each in modules if each not in classes)
        name = "::".join([f"{file}.py", *classes, element.get("name", "")])
        is_passed = problem is None and element.find("skipped") is None
        cases.append(Case(name, is_passed, failure is not None, problem))
    return cases


def evaluate(tests: Sequence[str], cases: Sequence[Case]) -> tuple[Verdict, str]:
    """The verdict on a mutant with these tests, and the reason of a bad one."""
    for case in cases:
        if case.problem is not None and (not case.is_failed or _NOT_A_CHECK.search(case.problem)):
            return Verdict.BROKEN, f"{case.name}: {case.problem}"
    for test in tests:
        own = [case for case in cases if case.is_of(test)]
        if not own:
            return Verdict.BROKEN, f"{test} did not run"
        if not any(case.is_failed for case in own):
            return Verdict.SURVIVED, f"{test} does not fail"
    return Verdict.CAUGHT, ""


def not_passing(tests: Sequence[str], cases: Sequence[Case]) -> list[str]:
    """Those of `tests` that do not pass as they should without a mutant, each with the reason."""
    bad = []
    for test in tests:
        own = [case for case in cases if case.is_of(test)]
        problem = next((case.problem for case in own if case.problem is not None), None)
        if problem is not None:
            bad.append(f"{test} fails: {problem}")
        elif not any(case.is_passed for case in own):
            bad.append(f"{test} {'is skipped' if own else 'does not exist'}")
    return bad


def _first_line(element: ET.Element) -> str:
    """The first line of a failure; of an error outside a test the last one that pytest marks as the reason."""
    marked = [line[1:].strip() for line in (element.text or "").splitlines() if line.startswith("E ")]
    if element.tag == "error" and marked:
        return marked[-1]
    return (element.get("message") or "error").splitlines()[0]
