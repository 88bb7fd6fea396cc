"""Learning a tag from 8 examples, without changing any other logit."""

import json
import signal

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.bundle import load_bundle
from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.schema import FacetKind
from hangtag.tags.thresholds import Band
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.wide import Wide
from hangtag.trainer.learning.learn_tag import learn_tags
from hangtag.trainer.learning.left_out import left_out
from hangtag.trainer.learning.lesson import Lesson
from hangtag.trainer.learning.new_tags import LearnTagError, NewTags
from tests.bundles import write_tiny_bundle

# Each opens engines of the starter bundle several times.
pytestmark = pytest.mark.timeout(240)
STARTER = load_bundle("starter")
LAMPS = [
    f"{word} candle {more}" for word in ("scented", "soy", "tea light", "pillar") for more in ("set of 4", "vanilla")
]
UNSEEN = ["beeswax candle in a jar", "lavender scented candle", "christmas candle, red"]
OTHERS = [
    f"{kind} {more}"
    for kind in (
        "women's shoes",
        "dog food",
        "usb cable",
        "red dress",
        "novel",
        "garden hose",
        "t-shirt",
        "printer ink",
    )
    for more in ("", "black", "size 42", "best price", "2 pieces", "new")
]


def texts(titles) -> list[ProductText]:
    return [ProductText.of(title, "", "") for title in titles]


def lesson_of(bundle, new, examples, against=OTHERS):
    """Examples are titles of the one new tag, or titles by value."""
    by_value = examples if isinstance(examples, dict) else {new.values[0]: examples}
    pairs = [(text, frozenset({f"{new.facet}:{value}"})) for value, its in by_value.items() for text in texts(its)]
    return Lesson.of(bundle, new, pairs, texts(against))


def learn(bundle, new, examples, folder):
    lesson = lesson_of(bundle, new, examples)
    return learn_tags(lesson, folder, None if new.is_guess else left_out(lesson))


SCENT = NewTags("scent", ("candle",), FacetKind.MULTI)


def logits_of(bundle, titles, kind="cpu"):
    engine = open_engine(bundle, kind)
    try:
        return engine.forward(bundle.tokenizer(texts(titles)))
    finally:
        engine.close()


def bands(bundle, titles, tag):
    engine = open_engine(bundle, "cpu")
    try:
        tagger = Tagger.of(bundle, engine)
        served = tagger.decode(tagger.forward(tagger.encode(texts(titles))), [TextKind.PRODUCT] * len(titles))
    finally:
        engine.close()
    return [next((each.band for each in (*tags.tags, *tags.review) if each.tag == tag), None) for tags in served]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A new facet (multi), and one more tag in a single facet in the middle of the schema."""
    folder = tmp_path_factory.mktemp("learnt")
    learn(STARTER, SCENT, LAMPS, folder / "a")
    first = load_bundle(folder / "a")
    family = next(tag for tag in first.schema.tags if tag.startswith("segment:household"))
    learn(first, NewTags("family", ("candles",), parent=family), LAMPS, folder / "b")
    return load_bundle(folder / "b")


@pytest.mark.parametrize("kind", ["cpu", "torch"])
def test_logits_of_other_tags_stay_bit_identical(learnt, kind):
    if kind == "torch":
        pytest.importorskip("torch", reason="torch is not installed (extra gpu)")
    titles = [*LAMPS, *UNSEEN, *OTHERS, "x", "a very long title " * 12]
    places = [learnt.schema.index[tag] for tag in STARTER.schema.tags]

    # The last column is the score of the scope.
    before, after = (logits_of(each, titles, kind)[:, :-1] for each in (STARTER, learnt))

    assert np.array_equal(before, after[:, places])
    assert len(learnt.schema.tags) == len(STARTER.schema.tags) + 2
    new, old = (each.thresholds.entry(TextKind.PRODUCT).tags for each in (learnt, STARTER))
    assert all(new[tag] == old[tag] for tag in STARTER.schema.tags)


def test_the_tag_is_predicted_for_unseen_products_in_review_only(learnt):
    assert bands(learnt, UNSEEN, "scent:candle") == [Band.REVIEW] * 3
    others = ["blue jeans for men", "cat food with tuna", "bluetooth speaker"]
    assert bands(learnt, others, "scent:candle") == [None] * 3
    at, where = learnt.schema.index["family:candles"], learnt.schema.slices["family"]
    top = logits_of(learnt, UNSEEN)[:, where].argmax(axis=1) + where.start
    assert (top == at).sum() >= 2
    assert (logits_of(learnt, others)[:, where].argmax(axis=1) + where.start != at).all()


def test_the_manifest_lists_learnt_tags_and_guesses(learnt, tmp_path):
    learnt_tags = learnt.manifest.metrics["learnt_tags"]
    left = learnt_tags["scent:candle"].pop("left_out")
    assert learnt_tags["scent:candle"] == {"from": STARTER.version, "examples": 8, "how": "examples"}
    assert left.items() >= {"examples": 8, "others": len(OTHERS)}.items()

    guess = ["candle", "a candle gives light and may smell of something"]
    learn(STARTER, NewTags("scent", ("candle",), FacetKind.MULTI, is_guess=True), guess, tmp_path / "c")
    bundle = load_bundle(tmp_path / "c")

    assert "guess" in bundle.manifest.metrics["learnt_tags"]["scent:candle"]["how"]
    assert bundle.thresholds.entry(TextKind.PRODUCT).tags["scent:candle"].auto > 1
    scores = logits_of(bundle, [*UNSEEN, "cat food with tuna", "blue jeans"])[:, bundle.schema.index["scent:candle"]]
    assert scores[:3].min() > scores[3:].max()


@pytest.mark.parametrize(
    ("new", "count", "reason"),
    [
        (NewTags("color", ("red",)), 8, "already has color:red"),
        (NewTags("Color", ("red",)), 8, "not facet:value"),
        (NewTags("family", ("candles",)), 8, "--parent segment"),
        (NewTags("color", ("candle",), parent="segment:clothing"), 8, "no parent"),
        (NewTags("color", ("candle",), FacetKind.MULTI), 8, "is single in the bundle"),
        (NewTags("scent", ("candle",)), 8, "--facet-kind multi .* or with --facet-kind single"),
        (NewTags("scent", ("candle",), FacetKind.SINGLE), 8, "needs two values to be single"),
        (SCENT, 7, "needs 8"),
    ],
)
def test_a_tag_that_cannot_be_learnt_is_refused(tmp_path, new, count, reason):
    with pytest.raises(LearnTagError, match=reason):
        learn(STARTER, new, LAMPS[:count], tmp_path / "x")
    assert not (tmp_path / "x").exists()


def shown(lesson, rows, which):
    """For each of these texts the new tags in REVIEW."""
    tagged = lesson.tagged(rows, which)
    return [[each.tag for each in tags.review if each.tag in lesson.new.tags] for tags in tagged]


def test_an_example_is_left_out_of_what_its_answer_is_learnt_from():
    """An example unlike the others gets the tag from a bundle that learnt from it, and not from one that did not."""
    lesson = lesson_of(STARTER, SCENT, [*LAMPS[:7], "usb cable hub"])
    tried = left_out(lesson)

    assert shown(lesson, lesson.rows(), range(8)) == [["scent:candle"]] * 8
    figures = tried.tags["scent:candle"]
    assert (tried.turns, figures.found, figures.examples, figures.others) == (8, 7, 8, len(OTHERS))
    assert figures.at_least < 7 / 8


def test_a_new_tag_of_a_single_facet_competes_and_leaves_the_others_alone():
    things = ("dress", "shirt", "mug", "scarf", "shoes", "bag", "coat", "hat")
    lesson = lesson_of(STARTER, NewTags("color", ("lilac",)), [f"lilac {thing}" for thing in things])
    figures = left_out(lesson).tags["color:lilac"]
    tagged = lesson.tagged(lesson.rows(), range(len(lesson.texts)))

    assert figures.found >= 6
    assert figures.wrong == 0
    for tags in tagged:
        assert sum(each.tag.startswith("color:") for each in (*tags.tags, *tags.review)) <= 1


def test_a_new_single_facet_has_one_of_its_values_or_none():
    things = ("candle", "soap", "cream", "oil", "perfume", "tea", "spray", "lotion")
    new = NewTags("scent", ("rose", "vanilla"), FacetKind.SINGLE)
    lesson = lesson_of(STARTER, new, {value: [f"{value} {thing}" for thing in things] for value in new.values})
    figures = left_out(lesson).tags

    assert [figures[tag].found for tag in new.tags] == [8, 8]
    assert [figures[tag].wrong for tag in new.tags] == [0, 0]
    found = shown(lesson, lesson.rows(), range(len(lesson.texts)))
    assert found == [["scent:rose"]] * 8 + [["scent:vanilla"]] * 8 + [[]] * len(OTHERS)


def test_a_wide_part_with_an_inserted_tag_keeps_every_weight():
    from hangtag.text.wide import gaps_of

    tags = np.array([0, 254, 255, 700, 5, 300])
    gaps, values, counts = gaps_of(tags, np.array([1, 2, 3, 4, 5, 6], np.int8), np.array([4, 2]))
    half = np.ones(2, np.float16)
    wide = Wide(np.array([3, 9], np.uint32), half, counts, half, gaps, values)

    for position in (0, 1, 255, 256, 299, 701):
        moved = wide.with_tag_at(position)
        found = moved.tags[moved.values != 0]
        assert found.tolist() == [tag + (tag >= position) for tag in tags]
        assert moved.values[moved.values != 0].tolist() == [1, 2, 3, 4, 5, 6]


def call(*arguments):
    if str(arguments[0]).startswith("scent"):
        arguments = (*arguments, "--facet-kind", "multi")
    return CliRunner().invoke(app, ["learn-tag", *map(str, arguments)])


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def others_file(folder):
    rows = [{"product_id": str(at), "title": title, "facets": [], "tags": []} for at, title in enumerate(OTHERS)]
    return write(folder / "others.jsonl", rows)


def test_a_bundle_is_not_overwritten_by_the_one_learnt_from_it(tmp_path):
    write_tiny_bundle(tmp_path / "shop")
    before = load_bundle(tmp_path / "shop").version
    options = ["--description", "it is worn", "--others", "none.jsonl"]
    places = ["--bundle", str(tmp_path / "shop"), "--out", str(tmp_path / "shop")]

    done = CliRunner().invoke(app, ["learn-tag", "item:hat", *options, *places])

    assert done.exit_code == 2
    assert load_bundle(tmp_path / "shop").version == before


def test_the_command_learns_from_files(tmp_path):
    examples = write(
        tmp_path / "new.jsonl", [{"product_id": str(at), "title": title} for at, title in enumerate(LAMPS)]
    )
    files = ["--others", others_file(tmp_path), "--out", tmp_path / "[/out]"]
    done = call("scent:candle", "--examples", examples, *files, "--sample", examples)
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / '[/out]'} version" in done.output
    assert "scent:candle" in load_bundle(tmp_path / "[/out]").schema.tags
    assert "only together" not in done.output
    assert "8 of 8 examples get the tag if it is learnt without them" in done.output
    assert f"0 of {len(OTHERS)} other products get it" in done.output
    assert "8 of 8 products would get scent:candle" in done.output
    assert LAMPS[0] in done.output

    assert call("scent:candle", *files).exit_code == 2

    above = call("segment:candles", "--examples", examples, *files)
    assert "only together with a child of facet family; add one with --parent segment:candles" in above.output


def test_the_command_learns_the_values_of_a_facet_and_shows_a_sample(tmp_path):
    scents = [(f"{value} {title}", value) for value in ("rose", "vanilla") for title in LAMPS]
    lines = ["Nr;Name;Duft", *(f"{at};{title};{value}" for at, (title, value) in enumerate(scents))]
    (tmp_path / "new.csv").write_text("\n".join(lines))
    (tmp_path / "others.csv").write_text("\n".join(["Nr;Name;Duft", *(f"{at};{t};" for at, t in enumerate(OTHERS))]))
    (tmp_path / "shop.csv").write_text(
        "\n".join(["Nr;Name", *(f"{at};{t}" for at, t in enumerate(UNSEEN + OTHERS[:3]))])
    )
    columns = [part for pair in ("product_id=Nr", "title=Name", "facet.scent=Duft") for part in ("--column", pair)]
    files = ["--examples", tmp_path / "new.csv", "--others", tmp_path / "others.csv", "--sample", tmp_path / "shop.csv"]

    unsaid = CliRunner().invoke(app, ["learn-tag", "scent", *map(str, [*files, *columns, "--out", tmp_path / "out"])])
    assert "say with --facet-kind multi" in str(unsaid.exception)
    done = call("scent", *files, *columns, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["tags"].keys() == {"scent:rose", "scent:vanilla"}
    assert found["version"] == load_bundle(tmp_path / "out").version
    assert (found["sample"]["of"], found["sample"]["products"]) == (6, 6)
    titles = {each["title"] for each in found["sample"]["tagged"]}
    assert titles
    assert titles <= set(UNSEEN)


def test_the_command_maps_columns_of_both_files(tmp_path):
    write(tmp_path / "new.jsonl", [{"Nr": at, "Name": title} for at, title in enumerate(LAMPS)])
    lines = ["Nr;Name;Duft", *(f"{at};{title};" for at, title in enumerate(OTHERS)), "x;vanilla candle;candle"]
    (tmp_path / "shop.csv").write_text("\n".join(lines))
    columns = [part for pair in ("product_id=Nr", "title=Name", "facet.scent=Duft") for part in ("--column", pair)]
    files = ["--examples", tmp_path / "new.jsonl", "--others", tmp_path / "shop.csv"]

    done = call("scent:candle", *files, *columns, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert load_bundle(tmp_path / "out").manifest.metrics["learnt_tags"]["scent:candle"]["examples"] == 8

    wrong = call("scent:candle", *files, "--column", "Name", "--out", tmp_path / "out")
    assert "not name=column" in str(wrong.exception)


def test_errors_of_the_command_are_one_line(tmp_path, monkeypatch):
    files = ["--description", "it smells", "--others", others_file(tmp_path)]

    assert "no such file" in str(call("a:b", "--examples", "none.jsonl", *files[2:], "--out", tmp_path / "x").exception)
    unwritable = call("scent:candle", *files, "--out", tmp_path / "others.jsonl" / "x")
    assert isinstance(unwritable.exception, CommandError)
    assert "others.jsonl" in str(unwritable.exception)
    assert "Example: hangtag learn-tag" in call("--help").output

    monkeypatch.setattr("hangtag.trainer.learning.rows._fit", lambda *_: signal.raise_signal(signal.SIGTERM))
    stopped = call("scent:candle", *files, "--out", tmp_path / "y")
    assert stopped.exit_code == 130
    assert "stopped; nothing was written" in stopped.output
    assert not (tmp_path / "y").exists()
