"""`hangtag show`: the figures are those of the bundle."""

import json

from typer.testing import CliRunner

from hangtag.bundle import load_bundle
from hangtag.cli.app import app
from hangtag.tags.thresholds import TagThresholds
from tests.bundles import write_tiny_bundle


def show(*arguments: object):
    return CliRunner().invoke(app, ["show", *map(str, arguments)])


def test_the_starter_is_shown_with_its_promises():
    bundle = load_bundle()
    done = show("starter")
    found = json.loads(show("starter", "--json").stdout)

    assert done.exit_code == 0, done.output
    assert bundle.version in done.output
    assert found["version"] == bundle.version
    assert found["recipe"] == bundle.manifest.recipe
    assert sum(found["bytes"].values()) > 30_000_000
    promises = bundle.manifest.metrics["promise"]["tags"]
    for facet, shown in zip(bundle.schema.facets, found["facets"], strict=True):
        assert (shown["facet"], shown["values"]) == (facet.name, len(facet.values))
        kept = [promises[tag]["pooled"] for tag in facet.tags if tag in promises]
        counts = shown["standings"].get("shared promise", 0), shown["standings"].get("own promise", 0)
        assert counts == (sum(kept), len(kept) - sum(kept))


def test_the_values_of_a_facet_have_thresholds(tmp_path):
    write_tiny_bundle(tmp_path / "tiny", thresholds=TagThresholds(auto=1.01, review=0.4))
    done = show(tmp_path / "tiny", "--facet", "genre")
    found = json.loads(show(tmp_path / "tiny", "--facet", "genre", "--json").stdout)

    assert "never" in done.output
    assert [(each["value"], each["auto"], each["review"]) for each in found["values"]] == [
        ("action", None, 0.4),
        ("indie", None, 0.4),
        ("rpg", None, 0.4),
    ]
    assert "it makes no promise" in show(tmp_path / "tiny").output
    assert "its facets are segment, class, color, genre" in str(show(tmp_path / "tiny", "--facet", "smell").exception)
