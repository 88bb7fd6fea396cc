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
from hangtag.tags.thresholds import Band
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.wide import Wide
from hangtag.trainer.learning.learn_tag import LearnTagError, NewTag, learn_tag
from tests.bundles import write_tiny_bundle

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
    learn_tag(STARTER, NewTag("scent:candle"), texts(LAMPS), texts(OTHERS), folder / "a")
    first = load_bundle(folder / "a")
    family = next(tag for tag in first.schema.tags if tag.startswith("segment:household"))
    learn_tag(first, NewTag("family:candles", family), texts(LAMPS), texts(OTHERS), folder / "b")
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
    assert learnt_tags["scent:candle"] == {"from": STARTER.version, "examples": 8, "how": "examples"}

    guess = texts(["candle", "a candle gives light and may smell of something"])
    learn_tag(STARTER, NewTag("scent:candle", is_guess=True), guess, texts(OTHERS), tmp_path / "c")
    bundle = load_bundle(tmp_path / "c")

    assert "guess" in bundle.manifest.metrics["learnt_tags"]["scent:candle"]["how"]
    assert bundle.thresholds.entry(TextKind.PRODUCT).tags["scent:candle"].auto > 1
    scores = logits_of(bundle, [*UNSEEN, "cat food with tuna", "blue jeans"])[:, bundle.schema.index["scent:candle"]]
    assert scores[:3].min() > scores[3:].max()


@pytest.mark.parametrize(
    ("new", "count", "reason"),
    [
        (NewTag("color:red"), 8, "already has color:red"),
        (NewTag("Color"), 8, "not facet:value"),
        (NewTag("family:candles"), 8, "--parent segment"),
        (NewTag("color:candle", "segment:clothing"), 8, "no parent"),
        (NewTag("scent:candle"), 7, "needs 8"),
    ],
)
def test_a_tag_that_cannot_be_learnt_is_refused(tmp_path, new, count, reason):
    with pytest.raises(LearnTagError, match=reason):
        learn_tag(STARTER, new, texts(LAMPS[:count]), texts(OTHERS), tmp_path / "x")
    assert not (tmp_path / "x").exists()


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
    done = call("scent:candle", "--examples", examples, *files)
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / '[/out]'} version" in done.output
    assert "scent:candle" in load_bundle(tmp_path / "[/out]").schema.tags
    assert "only together" not in done.output

    assert call("scent:candle", *files).exit_code == 2

    above = call("segment:candles", "--examples", examples, *files)
    assert "only together with a child of facet family; add one with --parent segment:candles" in above.output


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

    monkeypatch.setattr("hangtag.trainer.learning.learn_tag._row", lambda *_: signal.raise_signal(signal.SIGTERM))
    stopped = call("scent:candle", *files, "--out", tmp_path / "y")
    assert stopped.exit_code == 130
    assert "stopped; nothing was written" in stopped.output
    assert not (tmp_path / "y").exists()
