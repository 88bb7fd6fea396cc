"""`hangtag release` on real bundles: what is copied, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.bundle import BundleError, copy_bundle, load_bundle
from hangtag.cli.app import app
from hangtag.cli.stopping import Stopped
from hangtag.tags.thresholds import TagThresholds
from hangtag.trainer.judging.evaluate import evaluate_logits, logits_of
from tests.bundles import write_tiny_bundle


def test_the_command_releases_keeps_the_previous_bundle_and_refuses(tagger, products, tmp_path):
    now, new, place = (tmp_path / name for name in ("now", "new", "place"))
    write_tiny_bundle(now, thresholds=TagThresholds(auto=0.5, review=0.3))
    write_tiny_bundle(new, seed=3, thresholds=TagThresholds(auto=0.5, review=0.3))
    copy_bundle(now, place)
    (tmp_path / "data.jsonl").write_text(
        "\n".join(
            json.dumps(
                {"product_id": p.product_id, "title": p.title, "facets": sorted(p.facets), "tags": sorted(p.tags)}
            )
            for p in products
        )
    )

    def release(candidate, *more):
        options = ["--against", str(now), "--labelled", str(tmp_path / "data.jsonl"), "--to", str(place)]
        return CliRunner().invoke(app, ["release", str(candidate), *options, "--max-slowdown", "9", *more])

    refused = release(new)
    assert refused.exit_code == 1, refused.output
    assert "REFUSED" in refused.output
    assert load_bundle(place).version == load_bundle(now).version

    limits = [f"--max-{each}-loss" for each in ("mean", "tag", "coverage")]
    limits = ["--max-loss", "100", *(part for each in limits for part in (each, "100"))]
    nowhere = release(new, *limits, "--json-file", str(tmp_path / "none" / "v.json"))
    assert "No such file" in str(nowhere.exception)
    assert load_bundle(place).version == load_bundle(now).version

    passed = release(new, *limits, "--json-file", str(tmp_path / "v.json"))
    assert passed.exit_code == 0, passed.output
    assert load_bundle(place).version == load_bundle(new).version
    assert load_bundle(tmp_path / "place.previous").version == load_bundle(now).version
    assert json.loads((tmp_path / "v.json").read_text())["refused"] == []
    assert f"the previous bundle is in {place}.previous" in passed.output

    again = release(new, *limits)
    assert "has this version already" in again.output
    assert load_bundle(tmp_path / "place.previous").version == load_bundle(now).version

    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").write_text("dear")
    foreign = release(new, *limits, "--to", str(tmp_path / "foreign"))
    assert "holds files but no manifest" in str(foreign.exception)
    first = release(new, *limits, "--to", str(tmp_path / "empty"))
    assert "is now in" in first.output
    assert "previous" not in first.output


def test_a_copy_that_fails_changes_nothing(tmp_path):
    write_tiny_bundle(tmp_path / "now")
    write_tiny_bundle(tmp_path / "new", seed=3)
    with (tmp_path / "new" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    before = load_bundle(tmp_path / "now").version

    with pytest.raises(BundleError, match="model.safetensors"):
        copy_bundle(tmp_path / "new", tmp_path / "now", tmp_path / "now.previous")

    assert load_bundle(tmp_path / "now").version == before
    assert {path.name for path in tmp_path.iterdir()} == {"now", "new"}


def test_a_signal_between_the_renames_changes_nothing(tmp_path, monkeypatch):
    write_tiny_bundle(tmp_path / "now")
    write_tiny_bundle(tmp_path / "new", seed=3)
    before, rename = load_bundle(tmp_path / "now").version, Path.rename

    def stopped(path, target):
        moved = rename(path, target)
        if path == tmp_path / "now":
            raise Stopped
        return moved

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(Stopped):
        copy_bundle(tmp_path / "new", tmp_path / "now")

    assert load_bundle(tmp_path / "now").version == before
    assert {path.name for path in tmp_path.iterdir()} == {"now", "new"}


def test_no_products_are_one_sentence(tmp_path):
    write_tiny_bundle(tmp_path / "now")
    write_tiny_bundle(tmp_path / "new", seed=3)
    (tmp_path / "data.jsonl").touch()

    command = ["release", str(tmp_path / "new"), "--labelled", str(tmp_path / "data.jsonl")]
    compared = CliRunner().invoke(app, [*command, "--against", str(tmp_path / "now")])
    first = CliRunner().invoke(app, command)

    assert str(compared.exception) == "there are no products to compare the bundles on"
    assert "no product is labelled for a facet of the bundle" in str(first.exception)


def test_labels_that_neither_bundle_has_are_one_sentence(tmp_path):
    write_tiny_bundle(tmp_path / "now")
    write_tiny_bundle(tmp_path / "new", seed=3)
    line = {"product_id": "1", "title": "red cat", "facets": ["smell"], "tags": ["smell:none"]}
    (tmp_path / "data.jsonl").write_text(json.dumps(line))
    bundle, new, data = (str(tmp_path / name) for name in ("now", "new", "data.jsonl"))

    released = CliRunner().invoke(app, ["release", new, "--against", bundle, "--labelled", data])
    evaluated = CliRunner().invoke(app, ["evaluate", data, "--bundle", bundle])

    assert "no product is labelled for a facet that both bundles have" in str(released.exception)
    assert "no product is labelled for a facet of the bundle" in str(evaluated.exception)


def test_a_bundle_is_not_compared_with_itself_and_the_first_needs_no_other(products, tmp_path):
    new, place, data = tmp_path / "new", tmp_path / "place", tmp_path / "data.jsonl"
    write_tiny_bundle(new, thresholds=TagThresholds(auto=0.5, review=0.3))
    fields = (
        {"product_id": p.product_id, "title": p.title, "facets": [*p.facets], "tags": [*p.tags]} for p in products
    )
    data.write_text("".join(json.dumps(each) + "\n" for each in fields))
    command = ["release", str(new), "--labelled", str(data), "--to", str(place)]

    itself = CliRunner().invoke(app, [*command, "--against", str(new)])
    too_bad = CliRunner().invoke(app, [*command, "--min-f1", "99.5"])
    assert not place.exists()
    first = CliRunner().invoke(app, [*command, "--json-file", str(tmp_path / "v.json")])
    again = CliRunner().invoke(app, command)

    assert "nothing is worse than itself" in str(itself.exception)
    assert too_bad.exit_code == 1
    assert "less than the 99.5 that a first release needs" in too_bad.output
    assert first.exit_code == 0, first.output
    assert "a first release" in first.output
    assert load_bundle(place).version == load_bundle(new).version
    assert json.loads((tmp_path / "v.json").read_text())["f1"].keys() == {"segment", "genre"}
    assert (again.exit_code, "has this version already" in again.output) == (0, True)


def test_labels_that_a_bundle_does_not_know_are_named_and_not_counted(tagger, products, tmp_path):
    write_tiny_bundle(tmp_path / "now", thresholds=TagThresholds(auto=0.5, review=0.3))
    unknown = [
        replace(products[0], tags=frozenset({"segment:garden"}), facets=frozenset({"segment"})),
        replace(products[1], tags=frozenset({"smell:fresh"}), facets=frozenset({"smell"})),
    ]

    logits = logits_of(tagger, [*products, *unknown])
    without, found = (evaluate_logits(tagger, each, logits[: len(each)]) for each in (products, [*products, *unknown]))

    assert found.facets == without.facets
    assert (found.unknown_tags, found.unknown_facets) == ({"segment:garden": 1}, {"smell": 1})
    assert without.notes == []
    rows = (
        {"product_id": "p", "title": p.title, "facets": [*p.facets], "tags": [*p.tags]}
        for p in (*products[:9], *unknown)
    )
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "data.jsonl"), "--bundle", str(tmp_path / "now")])
    assert "in no figure, because the bundle lacks these labelled tags (products): segment:garden (1)" in done.output
    assert "in no figure, because the bundle lacks these labelled facets (products): smell (1)" in done.output
