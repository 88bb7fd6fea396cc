"""The run itself: what it counts and keeps, and that it notices a process that is gone."""

import time

from tests.fuzz import run
from tests.fuzz.catalogue import SHARES, Target, inputs_of
from tests.fuzz.child import Running, read_running
from tests.fuzz.measure import SLOW_MS, Measured
from tests.fuzz.mutate import MAX_BYTES, Mutator


def fails_for_bad(data: bytes) -> str:
    if data.startswith(b"bad"):
        raise ValueError(data.decode())
    if data == b"slow":
        until = time.thread_time() + SLOW_MS / 1_000
        while time.thread_time() <= until:
            pass
    return data.decode()


def test_crashes_of_one_place_are_kept_once_and_slow_inputs_too(tmp_path):
    measured = Measured(Target("letters", fails_for_bad, (b"a",)), tmp_path)

    for data in (b"bad", b"bad", b"b", b"slow"):
        measured.run(data)

    report = measured.report()
    (crash,), ((ms, slow),) = report["crashes"].items(), report["slow"]
    assert (report["inputs"], report["outcomes"], report["slowest_bytes"]) == (5, 3, 4)
    assert crash[0].startswith("ValueError at test_run.py:")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"bad", b"slow"]
    assert ms > SLOW_MS
    assert slow in map(str, tmp_path.iterdir())


def test_the_same_seed_makes_the_same_inputs():
    one, same, other = (Mutator([b"seed", b"{}"], seed) for seed in (1, 1, 2))
    inputs = [one.next() for _ in range(100)]

    assert inputs == [same.next() for _ in range(100)]
    assert inputs != [other.next() for _ in range(100)]
    assert max(map(len, inputs)) <= MAX_BYTES


def test_all_inputs_are_shared_out():
    counts = inputs_of([*SHARES], 1_000_000)

    assert sum(counts.values()) == 1_000_000
    assert min(counts.values()) > 0


def test_a_run_prints_its_figures_and_finds_nothing(capfd):
    assert run.main(["--inputs", "900", "--target", "requests", "--target", "stored_values"]) == 0

    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["requests", "stored_values"]
    assert lines[-1].startswith("900 inputs, 0 findings")


def test_a_process_that_does_not_report_is_a_finding_with_its_last_input(tmp_path):
    Running(tmp_path / "gone.running", 100).note(7, b"the last one")

    figures = run._Processes(tmp_path, seed=0).run("gone", 10)

    ((what, kept),) = figures["crashes"].items()
    assert what.startswith("the process ended with 1")
    assert (figures["inputs"], (tmp_path / kept).read_bytes()) == (7, b"the last one")
    assert read_running(tmp_path / "gone.running") == (7, b"the last one")


def test_an_input_is_replayed(tmp_path, capsys):
    good = tmp_path / "requests-crash-1"
    good.write_bytes(b"\x00")

    assert run.main(["--replay", str(good)]) == 0
    assert run.main(["--replay", str(tmp_path / "unknown-1")]) == 2
    assert "begins with a target" in capsys.readouterr().out
