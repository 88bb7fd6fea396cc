"""Learning from teachers: soft targets, pseudo-labels, and learning more tags without forgetting."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("optuna", reason="optuna is not installed (extra train)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from safetensors.torch import load_file
from scipy.special import softmax
from typer.testing import CliRunner

from hangtag.bundle import copy_bundle, load_bundle
from hangtag.cli.app import app
from hangtag.tagger.scores import Scores
from hangtag.tagger.tagger import Tagger
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.text.kind import TextKind
from hangtag.trainer.choosing.tuning import Range, _with_held_out, tune
from hangtag.trainer.data.labelled import LabelledFileError, LabelledProduct, read_labelled
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.fitting.fit import Progress
from hangtag.trainer.fitting.loss import distillation_loss
from hangtag.trainer.judging.evaluate import logits_of
from hangtag.trainer.recipe.columns import Columns
from hangtag.trainer.recipe.recipe import RecipeError
from hangtag.trainer.recipe.teaching import Distillation, PseudoLabels
from hangtag.trainer.running.prepared import prepare
from hangtag.trainer.running.train import Watcher, train
from hangtag.trainer.teaching.pseudo_labels import pseudo_labelled
from hangtag.trainer.teaching.soft_targets import soft_targets
from hangtag.trainer.teaching.teachers import opened_teachers
from tests.integration.tiny_shop import recipe, write_base, write_data

# Most tests train a model, and the first one that uses `teacher` trains that too.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def teacher(base, data, tmp_path_factory) -> Path:
    """A run with a low promised precision, which makes AUTO possible with only sixty validation products."""
    folder = tmp_path_factory.mktemp("teacher")
    train(recipe(base, auto_precision=0.8), data, folder, folder / "bundle")
    return folder


def rows_of(data: Path, name: str = "train") -> list[dict]:
    return [json.loads(line) for line in (data / f"{name}.jsonl").read_text().splitlines()]


def write(folder: Path, name: str, rows: list[dict]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_the_distillation_loss_is_the_divergence_from_the_teachers(base, data):
    schema = prepare(recipe(base), data).schema
    colors, themes = schema.slices["color"], schema.slices["theme"]
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(4, 6)), requires_grad=True)
    soft = np.full((4, 6), np.nan)
    soft[:3, colors] = softmax(rng.normal(size=(3, 3)), axis=1)
    soft[1, colors] = [0.25, 0.75, np.nan]
    soft[2:, themes] = 0.3

    loss = distillation_loss(logits, torch.tensor(soft), schema, 2.0)
    loss.backward()

    scores = logits.detach().numpy() / 2
    expected = 0.0
    for row, tags in ((0, [0, 1, 2]), (1, [0, 1]), (2, [0, 1, 2])):
        p = soft[row, tags]
        expected += (p * np.log(p / softmax(scores[row, tags]))).sum()
    q = 1 / (1 + np.exp(-scores[2:, themes]))
    expected += (0.3 * np.log(0.3 / q) + 0.7 * np.log(0.7 / (1 - q))).sum()
    assert loss.item() == pytest.approx(4 * expected / 4)
    assert (logits.grad.numpy() != 0).tolist() == (~np.isnan(soft)).tolist()


def test_soft_targets_are_matched_by_name_and_cached(base, data, teacher, tmp_path):
    prepared = prepare(recipe(base), data)
    products = [replace(product, facets=frozenset({"color"})) for product in prepared.train.products[:40]]
    known = prepared.schema
    other = known.model_copy(
        update={"facets": tuple(f.model_copy(update={"values": ("pink", *reversed(f.values))}) for f in known.facets)}
    )
    settings = Distillation(teachers=(str(teacher / "bundle"), str(teacher / "bundle")), temperature=3)
    run = RunFolder(tmp_path)

    soft = soft_targets(products, type(known).model_validate(other.model_dump()), settings, run)

    with opened_teachers([str(teacher / "bundle")]) as (tagger,):
        temperature = tagger.bundle.calibration.entry(TextKind.PRODUCT).temperatures["color"]
        logits = logits_of(tagger, products)[:, known.slices["color"]]
    assert np.isnan(soft[:, 0]).all()
    np.testing.assert_allclose(soft[:, 3:0:-1], softmax(logits / temperature / 3, axis=1), atol=1e-3)
    assert np.isnan(soft[:, 4:]).all(), "facets without labels have soft targets only if requested"
    unlabelled = soft_targets(products, known, settings.model_copy(update={"unlabelled": True}), run)
    assert not np.isnan(unlabelled).any()
    written = (tmp_path / "soft_targets.safetensors").stat().st_mtime_ns
    soft_targets(products, known, settings, run)
    assert (tmp_path / "soft_targets.safetensors").stat().st_mtime_ns == written
    soft_targets(products[1:], known, settings, run)
    assert (tmp_path / "soft_targets.safetensors").stat().st_mtime_ns > written
    with pytest.raises(RecipeError, match="teacher"):
        soft_targets(products, known, Distillation(teachers=(str(tmp_path),)), run)


def test_a_student_follows_its_teacher_if_labels_are_wrong(base, data, teacher, tmp_path):
    wrong = {"color:red": "color:blue", "color:blue": "color:green", "color:green": "color:red"}
    write(tmp_path / "data", "train", [r | {"tags": [wrong.get(t, t) for t in r["tags"]]} for r in rows_of(data)])
    write(tmp_path / "data", "validation", rows_of(data, "validation"))
    distilled = {"distillation": {"teachers": [str(teacher / "bundle")], "weight": 1.0}, "keep": "last"}

    _, alone = train(recipe(base, keep="last"), tmp_path / "data", tmp_path / "a", tmp_path / "a" / "bundle")
    _, student = train(recipe(base, **distilled), tmp_path / "data", tmp_path / "b", tmp_path / "b" / "bundle")

    assert alone.facets["color"].weighted_f1 < 0.1
    assert student.facets["color"].weighted_f1 > 0.95


def test_with_weight_1_labels_have_no_effect(base, data, teacher, tmp_path):
    wrong = {"color:red": "color:blue", "color:blue": "color:green", "color:green": "color:red"}
    write(tmp_path / "wrong", "train", [r | {"tags": [wrong.get(t, t) for t in r["tags"]]} for r in rows_of(data)])
    write(tmp_path / "wrong", "validation", rows_of(data, "validation"))
    distilled = {"teachers": [str(teacher / "bundle")], "weight": 1.0}
    chosen = recipe(base, distillation=distilled, keep="last", epochs=1)

    train(chosen, data, tmp_path / "a", None)
    train(chosen, tmp_path / "wrong", tmp_path / "b", None)

    one, other = (load_file(tmp_path / name / "best.safetensors") for name in ("a", "b"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_search_uses_the_teachers(base, data, teacher, tmp_path):
    """The held-out labels are wrong here, so a student that follows its teacher has a low score."""
    wrong = {"color:red": "color:blue", "color:blue": "color:green", "color:green": "color:red"}
    rows = [r | {"tags": [wrong[t] for t in r["tags"] if t in wrong], "facets": ["color"]} for r in rows_of(data)]
    write(tmp_path / "data", "train", rows)
    write(tmp_path / "data", "validation", rows)
    distilled = {"teachers": [str(teacher / "bundle")], "weight": 1.0}
    with_pseudo_labels = {"train": ["train.jsonl"], "pseudo_labels": True}
    sources = [{"train": ["train.jsonl"], "validation": ["validation.jsonl"]}, with_pseudo_labels]
    pseudo = {"teachers": [str(teacher / "bundle")]}
    chosen = recipe(base, distillation=distilled, sources=sources, pseudo_labels=pseudo, epochs=5)
    space = {"distillation.temperature": Range(choices=(1.0, 2.0))}

    found = tune(chosen, tmp_path / "data", tmp_path / "study", trials=1, space=space)

    assert found.best.distillation is not None
    assert found.trials[0].score is not None
    assert found.trials[0].score < 0.5
    held_out = _with_held_out(prepare(chosen, tmp_path / "data"), chosen, 0.1)
    assert len(held_out.validation_products) == 24
    assert [len(source) for source in held_out.train.sources] == [216, 216], "the same rows are left out of both"


def test_a_finished_student_does_not_need_its_teacher(base, data, teacher, tmp_path):
    copy_bundle(teacher / "bundle", tmp_path / "teacher")
    chosen = recipe(base, epochs=1, distillation={"teachers": [str(tmp_path / "teacher")]})
    train(chosen, data, tmp_path / "run", None)
    shutil.rmtree(tmp_path / "teacher")

    assert train(chosen, data, tmp_path / "run", tmp_path / "bundle") is not None
    with pytest.raises(RecipeError, match="teacher"):
        train(chosen, data, tmp_path / "other", None)


class KilledError(Exception):
    """Stands for a kill in the middle of an epoch."""


def test_a_killed_student_resumes_to_equal_weights(base, data, teacher, tmp_path):
    chosen = recipe(base, epochs=2, distillation={"teachers": [str(teacher / "bundle")]}, sources=thirds())

    def kill(at: Progress) -> None:
        if (at.epoch, at.step) == (2, 3):
            raise KilledError

    train(chosen, data, tmp_path / "whole", None)
    with pytest.raises(KilledError):
        train(chosen, data, tmp_path / "cut", None, Watcher(step=kill))
    train(chosen, data, tmp_path / "cut", None)

    whole, cut = (load_file(tmp_path / name / "best.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def thirds() -> list[dict]:
    return [{"train": ["train.jsonl"], "validation": ["validation.jsonl"], "fraction": 0.3}, {"train": ["train.jsonl"]}]


def test_every_example_has_the_soft_targets_of_its_own_product(base, data, teacher, tmp_path):
    import random

    augmentation = {"swap_values_in": 0.5, "values_of": ["color"]}
    prepared = prepare(recipe(base, sources=thirds(), augmentation=augmentation, no_products=5), data)
    products = prepared.train.products
    soft = np.tile(np.arange(len(products), dtype=np.float16)[:, None], (1, len(prepared.schema.tags)))

    plain = prepared.train.draw(random.Random(3))
    examples = replace(prepared.train, soft=soft).draw(random.Random(3))

    with_soft = [each for each in examples if each.soft is not None]
    assert [len(each.tokens) for each in examples] == [len(each.tokens) for each in plain]
    assert all(each.soft is None for each in examples[-5:])
    assert 0.3 * len(examples) < len(with_soft) < len(examples) - 5
    for each in with_soft:
        product = products[int(each.soft[0])]
        assert {tag for tag, fits in zip(prepared.schema.tags, each.targets, strict=True) if fits} == product.tags


class Teacher:
    """A tagger with given predictions."""

    def __init__(self, predictions: list[TagSet]) -> None:
        self.predictions = predictions
        self.bundle = load_bundle("starter")
        self.decoder = Tagger.of(self.bundle, engine=None).decoder

    def encode(self, texts, kinds):  # noqa: ARG002 (a tagger's signature)
        return [()] * len(texts)

    def forward(self, tokens):
        return Scores(np.zeros((len(tokens), len(self.bundle.schema.tags)), np.float32), [()] * len(tokens))

    def decode(self, scores, kinds):  # noqa: ARG002
        return self.predictions[: len(scores.logits)]


def tag_set(auto: tuple[str, ...], review: tuple[str, ...] = ()) -> TagSet:
    scored = (
        [ScoredTag(tag, 0.9, Source.MODEL, band) for tag in tags]
        for tags, band in ((auto, Band.AUTO), (review, Band.REVIEW))
    )
    return TagSet(*map(tuple, scored))


def bare(number: int, facets=(), tags=()) -> LabelledProduct:
    return LabelledProduct(str(number), f"title {number}", "", "", frozenset(facets), frozenset(tags))


def test_pseudo_labels_are_agreed_auto_tags_and_never_replace_a_label():
    red, cat, dog = "color:red", "theme:cat", "theme:dog"
    products = [bare(0), bare(1), bare(2), bare(3, ["color"], ["color:blue"]), bare(4, ["color"])]
    first = Teacher(
        [tag_set((red,)), tag_set((red,)), tag_set((red, cat), (dog,)), tag_set((red,)), tag_set((red, cat))]
    )
    second = Teacher(
        [tag_set((red, cat)), tag_set(("color:blue",)), tag_set((red, cat)), tag_set((red,)), tag_set((red, cat))]
    )
    labelled = {red: 9, cat: 9, dog: 9}

    found = {
        p.product_id: p for p in pseudo_labelled(products, [first, second], PseudoLabels(teachers=("x",)), labelled, 7)
    }

    assert found["0"].tags == {red}, "only one teacher has a tag of the other facet"
    assert "1" not in found, "the teachers disagree"
    assert found["2"].tags == {red}, "one theme is in REVIEW"
    assert found["3"].tags == {"color:blue"}
    assert found["4"].tags == {cat}, "it is labelled with no color"
    colors = PseudoLabels(teachers=("x",), facets=("color",))
    assert {p.product_id for p in pseudo_labelled(products, [first, second], colors, labelled, 7)} == {
        "0",
        "2",
        "3",
        "4",
    }


def test_pseudo_labels_of_a_tag_are_bounded_by_its_labels():
    predictions = [tag_set(("color:red",)) if at % 2 else tag_set(("color:pink",)) for at in range(100)]
    teacher = Teacher([*predictions, *([tag_set(("color:red",))] * 300)])
    known = [bare(at, ["color"], ["color:blue"]) for at in range(100, 400)]
    settings = PseudoLabels(teachers=("x",), per_label=1.5)

    products = [*(bare(at) for at in range(100)), *known]

    found = pseudo_labelled(products, [teacher], settings, {"color:red": 11}, 7)

    new = [product for product in found if int(product.product_id) < 100]
    assert len(new) == 17, "products with a label do not count towards the limit"
    assert {tag for product in new for tag in product.tags} == {"color:red"}
    assert found[-300:] == known
    assert found == pseudo_labelled(products, [teacher], settings, {"color:red": 11}, 7)


def test_a_model_is_trained_on_products_without_labels(base, data, teacher, tmp_path):
    """One product per color is labelled, and all others get pseudo-labels; their files have no label fields."""
    rows = rows_of(data)
    few = {tag: row for row in rows for tag in row["tags"] if len(row["facets"]) > 1}
    write(tmp_path / "data", "few", list(few.values()))
    write(tmp_path / "data", "bare", [{k: v for k, v in row.items() if k not in ("facets", "tags")} for row in rows])
    write(tmp_path / "data", "validation", rows_of(data, "validation"))
    labelled = {"train": ["few.jsonl"], "validation": ["validation.jsonl"]}
    unlabelled = {"train": ["bare.jsonl"], "columns": {"labelled": False}, "pseudo_labels": True}
    pseudo = {"teachers": [str(teacher / "bundle")], "per_label": 100}

    prepared = prepare(recipe(base, sources=[labelled, unlabelled], pseudo_labels=pseudo), tmp_path / "data")
    given = {product.product_id: product for product in prepared.train.sources[1]}
    right = [
        given[row["product_id"]].tags_of("color") <= set(row["tags"]) for row in rows if row["product_id"] in given
    ]
    history = []
    chosen = recipe(base, sources=[labelled, unlabelled], pseudo_labels=pseudo)
    train(chosen, tmp_path / "data", tmp_path / "run", None, Watcher(epoch=history.append))
    alone = []
    train(recipe(base, sources=[labelled]), tmp_path / "data", tmp_path / "alone", None, Watcher(epoch=alone.append))

    counts = {facet: sum(1 for p in given.values() if p.tags_of(facet)) for facet in ("color", "theme")}
    assert prepared.pseudo_labels == {facet: count for facet, count in counts.items() if count}
    assert len(right) > 150
    assert np.mean(right) > 0.95
    assert max(each.facets["color"] for each in history) > max(each.facets["color"] for each in alone)
    with pytest.raises(LabelledFileError, match="facets, tags is missing"):
        read_labelled([tmp_path / "data" / "bare.jsonl"])
    with pytest.raises(ValueError, match="and vice versa"):
        recipe(base, sources=[labelled, unlabelled])


def test_a_table_without_labels_is_read(tmp_path):
    (tmp_path / "bare.csv").write_text("product_id,title\n1,red scarf\n")

    (product,) = read_labelled([tmp_path / "bare.csv"], Columns(labelled=False))

    assert (product.title, product.facets) == ("red scarf", frozenset())


def test_head_rows_are_matched_by_tag_name(base, data, teacher, tmp_path):
    rows = rows_of(data) + [r | {"tags": ["color:amber"], "facets": ["color"]} for r in rows_of(data)[:20]]
    write(tmp_path, "train", [row for row in rows if "color:red" not in row["tags"]])
    write(tmp_path, "validation", rows_of(data, "validation"))
    chosen = recipe(base, start_from=str(teacher))

    prepared = prepare(chosen, tmp_path)
    head = prepared.model(chosen).head
    before = load_file(teacher / "best.safetensors")
    fresh = prepare(recipe(base), tmp_path).model(recipe(base)).head

    old = RunFolder(teacher).schema()
    assert prepared.schema.tags != old.tags
    for tag, at in prepared.schema.index.items():
        expected = before["head.weight"][old.index[tag]] if tag in old.index else fresh.weight[at]
        assert torch.equal(head.weight[at], expected), tag
    for name in ("train", "validation"):
        write(tmp_path, name, [r | {"tags": ["size:large"], "facets": ["size"]} for r in rows_of(data, name)])
    with pytest.raises(RecipeError, match="no tag in common"):
        prepare(chosen, tmp_path).model(chosen)


def test_new_tags_are_learnt_and_the_gate_detects_forgetting(base, data, tmp_path):
    """Two colors, then the third: nothing is lost if old products are trained on again; otherwise the gate refuses."""
    folder = tmp_path / "data"
    rows = rows_of(data)
    is_new = ["color:green" in row["tags"] for row in rows]
    write(folder, "old", [row for row, new in zip(rows, is_new, strict=True) if not new])
    write(folder, "new", [row for row, new in zip(rows, is_new, strict=True) if new])
    write(folder, "validation", rows_of(data, "validation"))
    first = [{"train": ["old.jsonl"], "validation": ["validation.jsonl"]}]
    train(recipe(base, sources=first), folder, tmp_path / "now", tmp_path / "now" / "bundle")

    def released(fraction: float, name: str):
        new = {"train": ["new.jsonl"], "validation": ["validation.jsonl"]}
        sources = [new, {"train": ["old.jsonl"], "fraction": fraction}]
        chosen = recipe(base, sources=sources, start_from=str(tmp_path / "now"), keep="last")
        train(chosen, folder, tmp_path / name, tmp_path / name / "bundle")
        command = ["release", str(tmp_path / name / "bundle"), "--against", str(tmp_path / "now" / "bundle")]
        command += ["--labelled", str(folder / "validation.jsonl"), "--max-slowdown", "9"]
        return CliRunner().invoke(app, [*command, "--json-file", str(tmp_path / f"{name}.json")])

    forgetful, careful = released(0.001, "forgetful"), released(0.5, "careful")

    assert forgetful.exit_code == 1
    assert "mean F1 over the tags that both bundles have: -" in " ".join(forgetful.output.split())
    assert careful.exit_code == 0, careful.output
    verdict = json.loads((tmp_path / "careful.json").read_text())
    assert verdict["new"] == ["color:green"]
    assert verdict["shared"]["candidate"] - verdict["shared"]["current"] > -1
