"""docs/client.md: its programs run as printed, and its tables are complete."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hangtag.client import CallError, Client, HangtagError, Tls, errors
from hangtag.store import RedisTagStore
from tests.integration.server.client.parts import entry

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "client.md").read_text("utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
README = (ROOT / "deploy" / "client" / "README.md").read_text("utf-8")


@pytest.fixture(scope="module", params=["native"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table under a heading, by what is in the backticks of their first cells."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(\w+).*?` \|(.*)\|$", section, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in found}


def test_programs_run_as_printed(address: str, store: RedisTagStore) -> None:
    store.write([entry(each) for each in ("demo-0001", "demo-0020")])
    short, asynchronous, _, _ = PROGRAMS
    (readme,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    # A deadline of a second is a long time, but not on a machine that runs other tests too.
    patient = "import hangtag.client.base as base\nbase.BaseClient.__init__.__kwdefaults__['timeout_s'] = 20.0\n"
    program = patient + f"{short}\n{asynchronous}\n{readme}".replace("127.0.0.1:50051", address)

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("FRESH boots {'class': (Tag(facet='class', value='boots'")
    assert lines[1:4] == [
        "demo-0001 ['class:boots', 'color:red'] True",
        "demo-0002 [] False",
        "['words:7 0.75', 'mood:a:b 0.25']",
    ]
    assert lines[4] == "('red',) ()"
    assert lines[5:8] == [
        "FRESH {'class': ['boots'], 'color': ['red']}",
        "demo-0001 boots True",
        "demo-0002 None False",
    ]


def test_the_settings_of_the_page_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("ht_1_text")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    program = PROGRAMS[3].replace("/run/secrets/hangtag-token", f"{tmp_path}/token")
    found: dict[str, object] = {}

    exec(program.replace("/etc/hangtag", str(tmp_path)), found)

    assert repr(found["tags"]) == "Client(10.0.0.1:50051, 10.0.0.2:50051)"


def test_the_table_of_settings_is_complete() -> None:
    parameters = inspect.signature(Client).parameters
    table = rows("Settings")

    assert list(table) == list(parameters)
    for name, (default, _) in table.items():
        shown = {"": inspect.Parameter.empty, "none": None, "10,000": 10_000, "OpenTelemetry": None, "`False`": False}
        expected = parameters[name].default
        assert shown.get(default, default) in {expected, str(expected), f"`{type(expected).__name__}()`"}
    assert all(name in table["tls"][1] for name in Tls.__dataclass_fields__)


def test_the_table_of_errors_is_complete() -> None:
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    raised = {name for name, kind in kinds.items() if issubclass(kind, HangtagError)} - {"HangtagError", "CallError"}
    table = rows("Errors")

    assert set(table) == raised
    for code, kind in errors._KINDS.items():
        assert table[kind.__name__][0] == code.name
    assert all(bool(cells[0]) is issubclass(kinds[name], CallError) for name, cells in table.items())


def test_the_table_of_methods_is_complete() -> None:
    methods = {name for name in vars(Client) if not name.startswith("_")}

    assert set(rows("Methods")) == methods
