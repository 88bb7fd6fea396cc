"""The tags that can be served at all, and the command that lists them."""

import json
from pathlib import Path

from typer.testing import CliRunner

from hangtag.bundle import load_bundle
from hangtag.cli.app import app
from hangtag.tags.reach import can_be_auto
from hangtag.tags.thresholds import TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from tests.bundles import tiny_schema, write_tiny_bundle

NEVER = TagThresholds(auto=2, review=0.3)


def thresholds(**never: tuple[str, ...]) -> Thresholds:
    """Every tag can be AUTO except the named values of each facet."""
    names = {f"{facet}:{value}" for facet, values in never.items() for value in values}
    usual = TagThresholds(auto=0.5, review=0.3)
    return Thresholds(tags={tag: NEVER if tag in names else usual for tag in tiny_schema().tags})


def test_a_tag_needs_a_threshold_that_can_be_reached():
    assert can_be_auto(tiny_schema(), thresholds()) == set(tiny_schema().tags)
    assert set(tiny_schema().tags) - can_be_auto(tiny_schema(), thresholds(color=("red",))) == {"color:red"}
    blocked = tiny_schema(blocked=("color:red",))
    assert set(blocked.tags) - can_be_auto(blocked, thresholds()) == {"color:red"}


def test_a_tag_needs_a_parent_and_a_condition_that_can_be_auto():
    without = set(tiny_schema().tags) - can_be_auto(tiny_schema(), thresholds(segment=("games", "pets")))

    assert without == {
        *("segment:games", "segment:pets", "class:software", "class:cat food"),
        *("genre:action", "genre:indie", "genre:rpg"),
    }


def run(*arguments: str, columns: int = 120):
    return CliRunner().invoke(app, ["schema", *arguments], env={"COLUMNS": str(columns)})


def test_the_starters_facets_and_values_are_listed():
    found = json.loads(run("--json").stdout)
    bundle = load_bundle()
    reachable = can_be_auto(bundle.schema, bundle.thresholds.entry(TextKind.PRODUCT))

    assert found["bundle_version"] == bundle.version
    assert [each["facet"] for each in found["facets"]] == [facet.name for facet in bundle.schema.facets]
    for facet in found["facets"]:
        served = {f"{facet['facet']}:{each['value']}" for each in facet["values"] if each["auto_from"] is not None}
        assert served == {tag for tag in reachable if tag.startswith(f"{facet['facet']}:")}
    assert "never" in run().output


def test_one_facet_of_a_bundle(tmp_path: Path):
    write_tiny_bundle(tmp_path / "bundle")
    folder = str(tmp_path / "bundle")

    shown = run("class", "--bundle", folder)
    assert shown.exit_code == 0
    assert all(text in shown.output for text in ("dresses", "under segment", "pets"))
    assert "navy" not in shown.output
    wrong = run("colour", "--bundle", folder)
    assert str(wrong.exception) == "the bundle has no facet 'colour'; its facets are segment, class, color, genre"
