"""`make protos-lint` refuses changes to the contracts that break callers of the last release."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUF = next(iter((ROOT / ".venv" / "buf").glob("*/node_modules/.bin/buf")), None)

needs_buf = pytest.mark.skipif(BUF is None, reason="buf is not installed; `make protos-lint` installs it with npm")


def breaking(folder: Path, file: str, old: str, new: str) -> "subprocess.CompletedProcess[str]":
    """Replace a text in a copy of the contracts, and compare the copy with the last release."""
    shutil.copytree(ROOT / "protos", folder, dirs_exist_ok=True)
    path = folder / "hangtag/v1" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    command = [str(BUF), "breaking", "--against", "released.binpb"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@needs_buf
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("tags.proto", "  google.protobuf.Timestamp as_of = 17;\n", "", "as_of"),
        ("tags.proto", "  google.protobuf.Timestamp as_of = 17;\n", "  reserved 17;\n", "as_of"),
        ("tags.proto", "  float confidence = 3;", "  double confidence = 3;", "confidence"),
        ("tags.proto", "Freshness freshness = 16;", "Freshness freshness = 31;", "freshness"),
        ("tags.proto", "FRESHNESS_STALE = 2;", "FRESHNESS_OUTDATED = 2;", "FRESHNESS_STALE"),
        ("events.proto", "string language = 6;", "string locale = 6;", "language"),
        ("tags.proto", "  reserved 16 to 31;\n", "", "reserved"),
    ],
)
def test_a_change_that_breaks_callers_is_refused(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    done = breaking(tmp_path, file, old, new)

    assert done.returncode != 0
    assert message in done.stdout


@needs_buf
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  Freshness freshness = 16;", "  // New.\n  string note = 31;\n  Freshness freshness = 16;"),
        ("  repeated Decision decisions = 7;", "  repeated Decision decisions = 7;\n  // New.\n  string origin = 10;"),
        ("  FRESHNESS_UNKNOWN = 4;", "  FRESHNESS_UNKNOWN = 4;\n  // New.\n  FRESHNESS_GONE = 5;"),
    ],
)
def test_an_addition_is_accepted(tmp_path: Path, old: str, new: str) -> None:
    done = breaking(tmp_path, "tags.proto", old, new)

    assert done.returncode == 0, done.stdout + done.stderr


def test_without_npm_the_check_reports_that_it_did_not_run(tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        [make, "protos-lint"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "NOT RUN" in done.stdout
