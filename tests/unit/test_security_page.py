"""docs/security.md: each line of the threat model has a test that exists, or says why it has none."""

import ast
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from hangtag.access import Scope, Tokens, add_token, new_token
from hangtag.telemetry.http import _Pages

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "security.md"
_NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
_WITHOUT_TEST = ("not ours", "not yet", "`make ")


def threats() -> list[tuple[str, str]]:
    """What somebody can try, and the last cell of its line."""
    model = PAGE.read_text("utf-8").partition("## Threat model")[2].partition("\n## ")[0]
    rows = []
    for section in model.split("\n### "):
        table = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
        if table and table[0][-1].strip() == "test":
            rows += [(cells[0].strip(), cells[-1].strip()) for cells in table[2:]]
    return rows


def test_every_threat_has_a_test_or_the_reason_why_not() -> None:
    rows = threats()

    assert len(rows) > 40
    assert [threat for threat, cell in rows if not _NAMED.search(cell) and not cell.startswith(_WITHOUT_TEST)] == []
    reasons = [cell for _, cell in rows if cell.startswith("not ")]
    assert all(len(reason.partition(":")[2]) > 20 for reason in reasons)


@pytest.mark.parametrize(("file", "name"), sorted(set(_NAMED.findall(PAGE.read_text("utf-8")))))
def test_every_named_test_exists(file: str, name: str) -> None:
    tree = ast.parse((TESTS / file).read_text("utf-8"))

    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_a_stolen_file_of_tokens_lets_nobody_in(tmp_path: Path) -> None:
    file, made = tmp_path / "tokens.jsonl", new_token("search", [Scope.READ])
    add_token(file, made.token)
    secret, tokens = made.text.split("_")[2], Tokens(file)

    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert tokens.find(f"Bearer {made.text}") == made.token
    for stolen in (made.token.sha256, f"ht_{made.token.id}_{made.token.sha256}", f"ht_{made.token.id}_", made.token.id):
        assert tokens.find(f"Bearer {stolen}") is None


def test_only_callers_on_the_same_machine_may_change_something() -> None:
    done: list[bytes] = []

    def resume(body: bytes) -> dict[str, bool]:
        done.append(body)
        return {}

    pages = _Pages(CollectorRegistry(), list, dict, list, {}, {"/resume": resume})

    assert pages.post("/resume", is_from_here=False)[0] == 403
    assert done == []
    assert pages.post("/resume", b"body", is_from_here=True)[0] == 200
    assert done == [b"body"]
