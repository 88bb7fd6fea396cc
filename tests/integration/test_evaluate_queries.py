"""`hangtag evaluate-queries`: the starter's own answers, judged as right, as wrong and as never to be served."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from hangtag.cli.app import app
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import TagSet
from hangtag.text.kind import TextKind
from hangtag.trainer.data.judged import JudgedText
from hangtag.trainer.judging.evaluate import EvaluationError
from hangtag.trainer.judging.judged_answers import (
    ALL,
    NEGATED,
    OUTSIDE,
    UNANSWERED,
    UNNAMED,
    Measure,
    QueryEvaluation,
    evaluate_queries,
)
from hangtag.trainer.judging.shares import Counted, resamples
from tests.bundles import write_tiny_bundle

TEXTS = (
    "black leather boots for women",
    "mens blue hoodie",
    "red dress",
    "acoustic guitar",
    "dog leash",
    "wireless router",
    "hello",
)
WRONG = "no such value"


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return open_tagger(ModelSettings(bundle="starter", engine="cpu"))


@pytest.fixture(scope="module")
def answers(tagger: Tagger) -> list[TagSet]:
    found = [each.tags for each in tagger.suggest(TEXTS, TextKind.QUERY)]
    assert any(each.tags for each in found)
    assert any(not each.tags for each in found)
    return found


def top(answer: TagSet) -> dict[str, str]:
    found: dict[str, str] = {}
    for scored in (*answer.tags, *answer.review):
        found.setdefault(facet_of(scored.tag), value_of(scored.tag))
    return found


def judged(answers: Sequence[TagSet], acceptable, kind: str = "query", **fields) -> list[JudgedText]:
    """The texts with a judgement made from their answers."""
    pairs = zip(TEXTS, answers, strict=True)
    return [
        JudgedText(text=text, kind=kind, acceptable=acceptable(answer), **{k: v(answer) for k, v in fields.items()})
        for text, answer in pairs
    ]


def measures(evaluation: QueryEvaluation, kind: str = "query") -> dict[str, Measure]:
    return {measure.name: measure for measure in evaluation.kinds[kind]}


def test_the_answers_themselves_are_all_right(tagger, answers):
    texts = judged(answers, lambda answer: {"segment": (top(answer).get("segment", WRONG),)})

    found = measures(evaluate_queries(tagger, texts))

    shown, served = (
        sum(facet_of(scored.tag) == "segment" for answer in answers for scored in getattr(answer, band))
        for band in ("review", "tags")
    )
    assert (found["segment: right"].share.hits, found["segment: right"].share.of) == (shown + served, len(TEXTS))
    assert (found["segment: served"].share.hits, found["segment: served"].share.of) == (served, len(TEXTS))
    assert (found["segment: served, right"].share.hits, found["segment: served, right"].share.of) == (served, served)
    assert found[UNANSWERED].share.of == len(TEXTS)


def test_the_answers_say_which_facets_are_wrong(tagger, answers):
    texts = judged(answers, lambda answer: {"segment": (top(answer).get("segment", ""),), "class": (WRONG,)})

    found = evaluate_queries(tagger, texts).answers

    assert [each.text for each in found] == texts
    assert all(each.wrong == ["class"] for each in found)
    assert [each.top for each in found] == [top(answer) for answer in answers]


def test_other_values_are_all_wrong(tagger, answers):
    found = measures(evaluate_queries(tagger, judged(answers, lambda _: {"segment": (WRONG,)})))

    assert found["segment: right"].share.hits == found["segment: served, right"].share.hits == 0
    assert found["segment: served, right"].share.of == found["segment: served"].share.hits > 0


def test_what_must_not_be_served_is_counted(tagger, answers):
    served = [{facet_of(scored.tag) for scored in answer.tags} for answer in answers]

    never = judged(
        answers,
        lambda answer: {"segment": (top(answer).get("segment", WRONG),)},
        never=lambda answer: tuple(scored.tag for scored in answer.tags),
    )
    outside = judged(answers, lambda _: {"segment": (), "color": ()})
    unnamed = judged(answers, lambda _: {"class": (WRONG,), "color": ()})

    share = measures(evaluate_queries(tagger, never))[NEGATED].share
    assert (share.hits, share.of) == (sum(map(bool, served)), sum(map(bool, served)))
    share = measures(evaluate_queries(tagger, outside))[OUTSIDE].share
    assert (share.hits, share.of) == (sum(bool(its & {"segment", "color"}) for its in served), len(TEXTS))
    share = measures(evaluate_queries(tagger, unnamed))[UNNAMED].share
    assert (share.hits, share.of) == (sum("color" in its for its in served), len(TEXTS))


def test_an_attribute_of_a_negated_tag_is_not_counted_as_not_named(tagger, answers):
    texts = judged(answers, lambda _: {"class": (WRONG,), "color": ()}, never=lambda _: ("color:black",))

    found = measures(evaluate_queries(tagger, texts))

    assert UNNAMED not in found
    assert found[NEGATED].share.of == len(TEXTS)


def test_kinds_are_counted_apart_and_together(tagger, answers):
    texts = [
        *judged(answers, lambda _: {"segment": (WRONG,)}),
        *judged(answers, lambda _: {"segment": (WRONG,)}, "utterance"),
    ]

    evaluation = evaluate_queries(tagger, texts)

    assert evaluation.texts == {"query": 7, "utterance": 7, ALL: 14}
    assert measures(evaluation, ALL)["segment: served"].share.of == 14


def test_a_bundle_against_itself_changes_nothing(tagger, answers):
    texts = judged(answers, lambda answer: {"segment": (top(answer).get("segment", WRONG),)})

    for measure in evaluate_queries(tagger, texts, tagger).kinds["query"]:
        assert measure.change is not None
        assert (measure.change.difference, measure.change.low, measure.change.high) == (0, 0, 0)


def test_facets_that_a_bundle_lacks_are_named(tagger, tmp_path):
    write_tiny_bundle(tmp_path / "tiny")
    tiny = open_tagger(ModelSettings(bundle=str(tmp_path / "tiny"), engine="cpu"))
    text = JudgedText(text="dog leash", kind="query", acceptable={"segment": ("pets",), "audience": ()})
    other = JudgedText(text="dog leash", kind="query", acceptable={"audience": ("men",)})

    evaluation = evaluate_queries(tagger, [text], tiny)

    assert evaluation.missing == ["audience"]
    assert all(measure.change is not None for measure in evaluation.kinds["query"])
    with pytest.raises(EvaluationError, match="audience"):
        evaluate_queries(tiny, [other])


def test_intervals_enclose_the_share_and_paired_ones_are_narrower():
    rng = np.random.default_rng(0)
    hits = (rng.random(400) < 0.6).astype(float)
    better = np.maximum(hits, rng.random(400) < 0.1)
    of, weights = np.ones(400), resamples(400)

    now, before = Counted(better, of), Counted(hits, of)
    share, change = now.share(weights), now.minus(before, weights)

    assert share.low < share.value < share.high
    assert 0 < change.low < change.difference < change.high
    assert change.high - change.low < 0.5 * (share.high - share.low)
    nothing = Counted(hits, np.zeros(400)).share(weights)
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.low)


def test_the_command_prints_tables_and_json(tmp_path: Path):
    file = tmp_path / "judged.jsonl"
    rows = [
        {"text": "red dress", "kind": "query", "acceptable": {"segment": ["clothing"], "audience": []}},
        {"text": "where is my parcel", "kind": "utterance", "acceptable": {"segment": []}},
    ]
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    answers = tmp_path / "answers.jsonl"
    arguments = [
        "evaluate-queries",
        str(file),
        "--bundle",
        "starter",
        "--against",
        "starter",
        "--answers",
        str(answers),
    ]

    printed = CliRunner().invoke(app, arguments)
    as_json = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)

    assert printed.exit_code == 0
    assert [json.loads(line)["text"] for line in answers.read_text("utf-8").splitlines()] == [
        each["text"] for each in rows
    ]
    assert "query (1 texts)" in printed.stdout
    assert "segment: right" in printed.stdout
    assert "nan" not in printed.stdout
    assert as_json["texts"] == {"query": 1, "utterance": 1, "all": 2}
    (right,) = [each for each in as_json["kinds"]["query"] if each["name"] == "segment: right"]
    assert right["share"]["of"] == 1
    assert right["change"]["difference"] == 0


def test_bad_rows_are_one_error(tmp_path: Path):
    file = tmp_path / "judged.jsonl"
    file.write_text('{"text": "red dress"}\n', "utf-8")

    result = CliRunner().invoke(app, ["evaluate-queries", str(file)])

    assert "line 1" in str(result.exception)
    assert result.exit_code == 1
