"""The mutants fit the sources, and the runner distinguishes a caught mutant from one that survives or is not valid."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.catalogue import ROOT, Mutant, MutantError, load_mutants
from tests.mutants.outcome import Verdict
from tests.mutants.run import copy_project, run_mutant, run_mutants

# The runner starts pytest again for each mutant.
pytestmark = pytest.mark.timeout(120)

MUTANTS = load_mutants()
PROGRAM = "def older(one, two):\n    return one < two\n"
TESTS = """
from versions import older


def test_one_is_older_than_two():
    assert older(1, 2)


def test_one_is_not_older_than_one():
    assert not older(1, 1)
"""
FIRST, SECOND = (f"tests/test_versions.py::test_one_is_{name}" for name in ("older_than_two", "not_older_than_one"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "versions.py").write_text(PROGRAM)
    (tmp_path / "tests" / "test_versions.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def mutant(new: str, *tests: str, old: str = "one < two") -> Mutant:
    return Mutant("name", 2, "versions.py", old, new, tests)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_sources(mutant):
    changed = mutant.apply(ROOT)

    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse((ROOT / mutant.file).read_text(encoding="utf-8")))
    assert mutant.tests
    for test in mutant.tests:
        file, *classes, name = test.split("::")
        # A behaviour suite defines the tests of the classes that run it.
        sources = [ROOT / file, *((ROOT / "tests").glob("*_behaviour.py") if classes else ())]
        assert any(f"def {name.partition('[')[0]}(" in source.read_text(encoding="utf-8") for source in sources), test


def test_every_invariant_has_two_mutants():
    counts = Counter(mutant.invariant for mutant in MUTANTS)

    assert {number: counts[number] for number in range(1, 7) if counts[number] < 2} == {}


def test_names_are_unique():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_mutant_that_every_named_test_fails_for_is_caught_and_taken_back(project):
    assert run_mutant(mutant("one >= two", FIRST, SECOND), project) == (Verdict.CAUGHT, "")
    assert (project / "versions.py").read_text() == PROGRAM


def test_a_mutant_that_one_named_test_passes_for_survives(project):
    verdict, reason = run_mutant(mutant("one <= two", FIRST, SECOND), project)

    assert (verdict, reason) == (Verdict.SURVIVED, f"{FIRST} does not fail")


@pytest.mark.parametrize(
    ("new", "reason"), [("one <", "SyntaxError"), ("one < three", "NameError"), ("__import__('no_such')", "no_such")]
)
def test_a_mutant_that_is_not_valid_code_is_not_caught(project, new, reason):
    verdict, why = run_mutant(mutant(new, FIRST), project)

    assert verdict is Verdict.BROKEN
    assert reason in why


def test_a_mutant_whose_test_does_not_exist_is_not_caught(project):
    verdict, why = run_mutant(mutant("one > two", "tests/test_versions.py::test_gone"), project)

    assert verdict is Verdict.BROKEN
    assert "did not run" in why


def test_a_mutant_that_does_not_fit_is_not_caught(project):
    with pytest.raises(MutantError, match="occurs 0 times"):
        mutant("", FIRST, old="one > two").apply(project)
    assert run_mutant(mutant("", FIRST, old="o"), project)[0] is Verdict.BROKEN


def test_one_mutant_that_is_not_caught_fails_the_run(project, tmp_path_factory, capsys):
    copy = tmp_path_factory.mktemp("copy")
    copy_project(project, copy, [path.relative_to(project) for path in project.rglob("*") if path.is_file()])

    code = run_mutants([mutant("one >= two", FIRST), mutant("one <= two", FIRST)], [copy, project])

    assert code == 1
    assert "1 of 2 mutants caught" in capsys.readouterr().out


def test_tests_that_fail_without_a_mutant_end_the_run(project, capsys):
    (project / "versions.py").write_text(PROGRAM.replace("<", ">"))

    assert run_mutants([mutant("one >= two", FIRST, old="one > two")], [project]) == 1
    assert f"{FIRST} fails" in capsys.readouterr().out
