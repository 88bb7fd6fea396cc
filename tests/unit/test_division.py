"""The division of the complete suite names files that exist, and keeps apart what cannot run at the same time."""

import re
from pathlib import Path

import pytest

from tests.division import FIRST, TOGETHER, part_of, rank

ROOT = Path(__file__).resolve().parents[2]
# What takes the default ports if they are free.
TAKES_PORTS = re.compile(r'LocalStack\(\)|"hangtag(\.cli)?", "(up|demo)"|port_or_another\(9092')


@pytest.mark.parametrize("start", FIRST)
def test_every_named_file_exists(start):
    assert (ROOT / start).exists()


def test_tests_that_take_the_default_ports_run_in_one_process():
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    taking = [file for file in files if TAKES_PORTS.search((ROOT / file).read_text(encoding="utf-8"))]

    assert {part_of(f"{file}::test_it") for file in taking} == {TOGETHER[0]}


def test_the_files_of_one_part_follow_each_other():
    ids = [f"{start}::test_it" for start in reversed(FIRST)] + ["tests/unit/test_plan.py::test_it[a::b]"]

    parts = [part_of(each) for each in sorted(ids, key=rank)]

    assert parts[: len(TOGETHER)] == [TOGETHER[0]] * len(TOGETHER)
    assert parts[-1] == "tests/unit/test_plan.py"
