"""The pages: links lead somewhere, named files exist, named commands and options are those of the command line."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer

from hangtag.cli.app import app
from tests.unit.test_house import HANGTAG, MAY_IMPORT, PROGRAMS, TRAINER, arrows

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TOP = {"benchmarks", "deploy", "docs", "hangtag", "protos", "server", "tests", "trainer", "workers"}
ALL = "everything"
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def lines(page: Path) -> Iterator[tuple[str, bool]]:
    """Every line of the page, and whether it is code: indented, or between ```."""
    is_fenced = False
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("```"):
            is_fenced = not is_fenced
            continue
        yield line, is_fenced or line.startswith("    ")


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return "\n".join(line for line, is_code in lines(page) if not is_code)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = [line.lstrip("#").strip() for line in prose(page).splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines(page: Path) -> list[list[str]]:
    """Every call of `hangtag` in the page's code, split into words from the first word after `hangtag`."""
    found = []
    for line, is_code in lines(page):
        code = [line] if is_code else re.findall(r"`([^`]+)`", line)
        for each in code:
            call = re.search(r"(?:^|[\s/])hangtag(?:\.cli)? ([a-z-].*)", each)
            if call:
                found.append(shlex.split(call[1], comments=True))
    return found


@every_page
def test_links_lead_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@every_page
def test_files_in_backticks_exist(page):
    named = re.findall(r"`([\w.-]+/[\w./-]*)`", prose(page))
    missing = [name for name in named if name.split("/")[0] in TOP and not (ROOT / name).exists()]

    assert missing == []


@every_page
def test_benchmarks_exist(page):
    named = re.findall(r"python -m benchmarks\.(\w+(?:\.\w+)?)", page.read_text("utf-8"))

    assert [name for name in named if not (ROOT / "benchmarks" / f"{name.replace('.', '/')}.py").exists()] == []


@every_page
def test_commands_and_their_options_exist(page):
    wrong = []
    for words in command_lines(page):
        command = typer.main.get_command(app)
        path = list(takewhile(lambda word: not word.startswith("-"), words))
        while path and hasattr(command, "commands"):
            if path[0] not in command.commands:
                wrong.append(" ".join(words))
                break
            command = command.commands[path.pop(0)]
        else:
            known = {"--help", "-h", *(name for parameter in command.params for name in parameter.opts)}
            wrong += [f"{' '.join(words)}: {word}" for word in words if word.startswith("--") and word not in known]

    assert wrong == []


def rooms_of_the_page() -> dict[str, list[str]]:
    rows = re.findall(
        r"^\| `(hangtag\.[\w.]+)` \|(.*)\|$", (ROOT / "docs/architecture.md").read_text("utf-8"), re.MULTILINE
    )
    return {room: [cell.strip() for cell in cells.split("|")] for room, cells in rows}


def test_the_architecture_page_lists_every_room():
    assert set(rooms_of_the_page()) == set(MAY_IMPORT)


def test_the_architecture_page_lists_what_rooms_may_import():
    page = rooms_of_the_page()
    imports = {room: {f"hangtag.{name}" for name in re.findall(r"`(\w+)`", page[room][0])} for room in HANGTAG}

    assert imports == HANGTAG
    assert all(MAY_IMPORT[program] == {*HANGTAG} for program in PROGRAMS)  # "every room above"
    assert all({*HANGTAG} <= MAY_IMPORT[room] for room in TRAINER)
    assert page["hangtag.cli"][0] == ALL
    assert MAY_IMPORT["hangtag.cli"] == {*MAY_IMPORT} - {"hangtag.cli"}


def test_the_architecture_page_counts_rooms_and_arrows():
    page = " ".join((ROOT / "docs" / "architecture.md").read_text("utf-8").split())

    assert f"Now there are {len(MAY_IMPORT)} rooms and {len(arrows())} arrows, none in a circle" in page
