"""The release gate on real bundles: what passes, what is refused and why, and what is copied."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.bundle import BundleError, copy_bundle, load_bundle
from hangtag.cli.app import app
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.thresholds import KeyedThresholds, TagThresholds, Thresholds
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import evaluate_logits, logits_of
from hangtag.trainer.releasing.compare import RESAMPLES, SHARED_SUPPORT, compare
from hangtag.trainer.releasing.first_release import check_first_release
from hangtag.trainer.releasing.gate import Limits, check_release
from tests.bundles import write_tiny_bundle

WORDS = ["red", "blue", "dress", "shoe", "cat", "food", "game", "space"]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "now"
    write_tiny_bundle(folder, thresholds=TagThresholds(auto=0.5, review=0.3))
    bundle = load_bundle(folder)
    engine = open_engine(bundle, "cpu")
    yield Tagger.of(bundle, engine)
    engine.close()


@pytest.fixture(scope="module")
def products(tagger):
    """Texts labelled with the bundle's predictions, except for a tenth with another segment."""
    rng = np.random.default_rng(0)
    titles = [" ".join(rng.choice(WORDS, size=rng.integers(2, 7))) for _ in range(400)]
    bare = [LabelledProduct(str(at), title, "", "", frozenset(), frozenset()) for at, title in enumerate(titles)]
    logits = logits_of(tagger, bare)
    schema, chosen = tagger.bundle.schema, tagger.decoder.chosen(tagger.decoder.log_confidences(logits))
    genres = logits[:, schema.slices["genre"]] > 0
    result = []
    for row, product in enumerate(bare):
        segment = schema.tags[chosen["segment"][row]]
        if rng.random() < 0.1:
            segment = rng.choice([tag for tag in schema.facets[0].tags if tag != segment])
        tags = {str(segment)} | {tag for tag, fits in zip(schema.facets[3].tags, genres[row], strict=True) if fits}
        result.append(replace(product, facets=frozenset({"segment", "genre"}), tags=frozenset(tags)))
    return result


class Damaged:
    """The bundle's engine with changed logits."""

    def __init__(self, engine, change) -> None:
        self._engine, self._change = engine, change

    def forward(self, batch):
        return self._change(self._engine.forward(batch).copy())


def damaged(tagger: Tagger, change) -> Tagger:
    return replace(tagger, engine=Damaged(tagger.engine, change))


def gate(now: Tagger, new: Tagger, products, **limits):
    return check_release(
        now, new, products, (1.0, 1.0), Limits(**({"slowdown": 10, "mean_loss": 100, "coverage_loss": 100} | limits))
    )


def test_figures_are_those_of_the_evaluation(tagger, products):
    compared = compare(tagger, tagger, products)
    evaluated = evaluate_logits(tagger, products, logits_of(tagger, products)).facets

    for facet in compared.facets:
        expected = evaluated[facet.facet]
        average = expected.weighted_f1 if facet.facet == "segment" else expected.micro_f1
        assert facet.f1.candidate == pytest.approx(100 * average, abs=1e-3)
        carried = [tag.f1 for tag in expected.tags.values() if tag.support]
        assert facet.macro_f1.candidate == pytest.approx(100 * np.mean(carried), abs=1e-3)
        for tag in facet.tags:
            assert tag.f1.candidate == pytest.approx(100 * expected.tags[tag.tag].f1, abs=1e-3)
    served = compared.served["segment"]
    assert served.right / served.tags == pytest.approx(evaluated["segment"].auto_precision)


def test_the_same_bundle_passes(tagger, products):
    verdict = gate(tagger, tagger, products)

    assert not verdict.refused
    assert verdict.compared.facets[0].f1.low == verdict.compared.facets[0].f1.high == 0


def test_the_loss_of_a_tag_is_refused_by_name(tagger, products):
    tag = "genre:rpg"
    at = tagger.bundle.schema.index[tag]

    def forget(logits):
        logits[:, at] = -20
        return logits

    verdict = gate(tagger, damaged(tagger, forget), products, loss=100)

    assert [reason.split(": ")[0] for reason in verdict.refused] == [tag]
    assert gate(tagger, damaged(tagger, forget), products, loss=100, tag_loss=100).refused == []


def test_a_blocked_tag_is_never_predicted(tagger, products):
    """It is never served, so its recall is 0 and the gate reports its loss."""
    tag = "genre:rpg"
    schema = tagger.bundle.schema.model_copy(update={"blocked": (tag,)})
    blocking = Tagger.of(replace(tagger.bundle, schema=schema), tagger.engine)

    score = evaluate_logits(blocking, products, logits_of(blocking, products)).facets["genre"].tags[tag]

    assert score.support > 0
    assert score.recall == score.f1 == 0
    assert [reason.split(": ")[0] for reason in gate(tagger, blocking, products, loss=100).refused] == [tag]


def test_a_loss_that_may_be_chance_is_a_warning(tagger, products):
    schema = tagger.bundle.schema
    chosen = tagger.decoder.chosen(tagger.decoder.log_confidences(logits_of(tagger, products)))["segment"]
    few = [product for product, at in zip(products, chosen, strict=True) if schema.tags[at] in product.tags][:40]
    hit = iter([True])

    def change_one(logits):
        # Another segment is predicted for one product of forty.
        if next(hit, False):
            where = schema.slices["segment"]
            logits[0, where] = -logits[0, where]
        return logits

    verdict = gate(tagger, damaged(tagger, change_one), few)
    facet = next(each for each in verdict.compared.facets if each.facet == "segment")

    assert facet.f1.points < -0.5
    assert facet.f1.high >= 0
    assert verdict.refused == []
    assert any("segment" in warning for warning in verdict.warnings)


def test_a_broken_promise_is_refused(tagger, products):
    def promising(precision: float) -> Tagger:
        manifest = tagger.bundle.manifest.model_copy(update={"metrics": {"promise": {"precision": precision}}})
        return replace(tagger, bundle=replace(tagger.bundle, manifest=manifest))

    assert any("are promised" in reason for reason in gate(tagger, promising(0.97), products).refused)
    assert not gate(tagger, promising(0.5), products).refused


def test_a_weaker_promise_is_refused_unless_it_is_allowed(tagger, products):
    def promising(metrics: dict) -> Tagger:
        manifest = tagger.bundle.manifest.model_copy(update={"metrics": metrics})
        return replace(tagger, bundle=replace(tagger.bundle, manifest=manifest))

    now, same, less = (promising({"promise": {"precision": each}}) for each in (0.6, 0.6, 0.5))

    assert gate(now, same, products).refused == []
    assert gate(promising({}), less, products).refused == []
    assert "a precision of 50% of AUTO tags, the current bundle 60%" in gate(now, less, products).refused[0]
    assert "promises no precision" in gate(now, promising({}), products).refused[0]
    assert gate(now, less, products, allow_weaker_promise=True).refused == []


def test_a_candidate_with_a_lower_coverage_is_refused_also_for_facets_without_labels(tagger, products):
    never = {tag: TagThresholds(auto=1.01, review=0.3) for tag in tagger.bundle.schema.tags}
    thresholds = KeyedThresholds.of_products(Thresholds(tags=never))
    silent = Tagger.of(replace(tagger.bundle, thresholds=thresholds), tagger.engine)
    segments = [replace(product, facets=frozenset({"segment"})) for product in products]

    verdict = gate(tagger, silent, segments, coverage_loss=5)

    refused = {reason.split(":")[0] for reason in verdict.refused}
    assert {"segment", "genre"} <= refused
    assert any(warning.startswith("genre: no product is labelled") for warning in verdict.warnings)
    assert all(share == 0 for _, share in verdict.compared.coverage.values())


def test_the_loss_of_one_tag_among_hundreds_is_significant():
    from hangtag.tags.schema import FacetKind
    from hangtag.trainer.releasing.compare import _facet, _with_adjusted_p_values

    rng = np.random.default_rng(0)
    truth = np.eye(300, dtype=bool)[np.repeat(np.arange(300), 25)]
    now = truth.copy()
    now[rng.random(len(now)) < 0.1] = False
    lost = now.copy()
    lost[truth[:, 7], 7] = False
    draws = rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=200)

    found = _facet("class", FacetKind.MULTI, [f"class:{at}" for at in range(300)], truth, [now, lost], draws)
    (adjusted,) = _with_adjusted_p_values([found])

    assert [tag.tag for tag in adjusted.tags if tag.q < 0.05] == ["class:7"]


def test_slow_and_large_candidates_are_refused(tagger, products):
    verdict = check_release(tagger, tagger, products, (1.0, 50.0), Limits(megabytes=40, slowdown=10))
    assert verdict.refused == ["it has 50.0 MB, more than the limit of 40"]

    def slow(logits):
        import time

        time.sleep(0.2)
        return logits

    assert "speed" in gate(tagger, damaged(tagger, slow), products, slowdown=0.1).refused[0]


def test_the_interval_covers_the_true_difference(tagger):
    """The 95 % interval contains a known true difference in about 95 % of the runs."""
    from hangtag.tags.schema import FacetKind
    from hangtag.trainer.releasing.compare import _facet

    rng = np.random.default_rng(1)

    def drawn(count):
        truth = np.eye(3, dtype=bool)[rng.integers(0, 3, count)]
        predicted = [
            np.where((rng.random(count) < share)[:, None], truth, np.roll(truth, 1, 1)) for share in (0.85, 0.80)
        ]
        return truth, predicted

    covered, runs = 0, 100
    for _ in range(runs):
        truth, predicted = drawn(300)
        draws = rng.multinomial(300, np.full(300, 1 / 300), size=RESAMPLES // 4)
        found = _facet("segment", FacetKind.SINGLE, ("a", "b", "c"), truth, predicted, draws).f1
        covered += found.low <= -5 <= found.high

    assert 87 <= covered <= 100


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
    from pathlib import Path

    from hangtag.cli.stopping import Stopped

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


def test_shared_tags_are_compared_on_products_without_other_tags(tagger, products):
    """New tags and their products do not change what counts as forgotten."""
    new = [replace(product, tags=frozenset({"segment:new"}), facets=frozenset({"segment"})) for product in products]
    shared = compare(tagger, tagger, products).shared

    with_new = compare(tagger, tagger, [*products, *new]).shared

    assert shared is not None
    assert with_new is not None
    assert with_new.current == pytest.approx(shared.current)
    carried = [
        tag.f1.current
        for facet in compare(tagger, tagger, products).facets
        for tag in facet.tags
        if tag.support >= SHARED_SUPPORT
    ]
    assert shared.current == pytest.approx(np.mean(carried))
    assert compare(tagger, tagger, new).shared is None


def test_a_tag_with_few_products_does_not_count_as_forgotten(tagger, products):
    """One other prediction would change the mean by many points."""
    tag = "segment:pets"
    rare = [product for product in products if tag not in product.tags]
    rare += [product for product in products if tag in product.tags][: SHARED_SUPPORT - 1]
    at = tagger.bundle.schema.index[tag]

    def forget(logits):
        logits[:, at] = -20
        return logits

    few, enough = (compare(tagger, damaged(tagger, forget), each).shared for each in (rare, products))

    assert few.candidate > few.current - 1
    assert enough.candidate < enough.current - 5


def test_forgotten_tags_are_refused(tagger, products):
    def forget(logits):
        return -logits

    verdict = gate(tagger, damaged(tagger, forget), products, loss=100, tag_loss=100, mean_loss=1)

    assert [reason.split(":")[0] for reason in verdict.refused] == ["mean F1 over the tags that both bundles have"]


def promising(tagger: Tagger, precision: float) -> Tagger:
    manifest = tagger.bundle.manifest.model_copy(update={"metrics": {"promise": {"precision": precision}}})
    return replace(tagger, bundle=replace(tagger.bundle, manifest=manifest))


def test_a_first_release_needs_a_quality_of_its_own(tagger, products):
    good = check_first_release(promising(tagger, 0.5), products, 1.0, Limits())
    strict = check_first_release(promising(tagger, 0.97), products, 50.0, Limits(least_f1=99))

    assert good.refused == []
    assert good.f1["segment"] == pytest.approx(100 * good.evaluation.facets["segment"].weighted_f1)
    assert {warning.split(":")[0] for warning in good.warnings} == {"class", "color"}
    served = strict.served["segment"]
    assert {reason.split(",")[0].split(" AUTO")[0] for reason in strict.refused} >= {
        f"segment: F1 {strict.f1['segment']:.1f}",
        f"segment: {served.right / served.tags:.1%} of {served.tags}",
        "it has 50.0 MB",
    }


def test_a_model_that_always_predicts_the_same_is_no_first_release(tagger, products):
    def always(logits):
        logits[:, tagger.bundle.schema.slices["segment"]] = (0, 0, 9)
        return logits

    pets = [replace(each, facets=frozenset({"segment"}), tags=frozenset({"segment:pets"})) for each in products[:90]]
    games = [replace(each, tags=frozenset({"segment:games"})) for each in pets[:10]]

    verdict = check_first_release(damaged(tagger, always), [*pets, *games], 1.0, Limits())

    (reason,) = verdict.refused
    assert verdict.f1["segment"] == pytest.approx(verdict.constant_f1["segment"])
    assert verdict.f1["segment"] > 80
    assert "predicting its most common label for every product" in reason


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
