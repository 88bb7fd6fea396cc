"""The judged texts are of the starter's schema, are not made by the makers of training texts, and stay as sealed."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from hangtag.tags.schema import TagSchema
from hangtag.trainer.data import query_frames
from hangtag.trainer.data.judged import JudgedText, read_judged
from hangtag.trainer.data.labelled import LabelledFileError
from hangtag.trainer.data.tag_words import QueryWords, TagWords

ROOT = Path(__file__).resolve().parents[2]
JUDGED = ROOT / "tests/judged"
SCHEMA = TagSchema.model_validate_json((ROOT / "hangtag/starter/schema.json").read_bytes())
FRAMES = (
    *query_frames.QUERIES,
    *query_frames.UTTERANCES,
    *query_frames.NEEDS,
    *query_frames.NEGATED,
    *query_frames.NEGATED_PERSONS,
    *query_frames.WITHOUT_PART,
)


def files() -> list[Path]:
    return sorted(JUDGED.glob("*.jsonl"))


def texts() -> list[JudgedText]:
    return [text for path in files() for text in read_judged(path)]


def test_there_are_as_many_texts_as_the_readme_says():
    readme = (JUDGED / "README.md").read_text("utf-8")
    for path in files():
        counts = Counter(text.kind for text in read_judged(path))
        row = f"| {counts['query']} queries, {counts['utterance']} utterances, {counts['title']} titles |"
        assert f"`{path.name}` {row}" in readme


def test_every_judgement_is_of_the_schema():
    facets = {facet.name: set(facet.values) | {""} for facet in SCHEMA.facets}

    for text in texts():
        assert text.acceptable
        assert all(set(values) <= facets[facet] for facet, values in text.acceptable.items())
        assert set(text.never) <= set(SCHEMA.tags)
        assert not {f"{facet}:{value}" for facet, its in text.acceptable.items() for value in its} & set(text.never)


def test_acceptable_classes_stand_under_acceptable_families_and_segments():
    for text in texts():
        for facet, above in (("class", "family"), ("family", "segment")):
            for value in text.acceptable.get(facet, ()):
                parents = {parent.partition(":")[2] for parent in SCHEMA.parents[f"{facet}:{value}"]}
                assert parents & set(text.acceptable[above])


def test_no_text_occurs_twice():
    counts = Counter(text.text.casefold() for text in texts())

    assert [text for text, count in counts.items() if count > 1] == []


def test_no_text_is_a_phrase_of_the_word_list_or_made_by_a_frame():
    words = TagWords.of(SCHEMA, QueryWords.from_file(ROOT / "trainer/recipes/starter-words.toml"))
    phrases = {*words.tags_of_phrase, *(need for its in words.needs.values() for need in its)}
    fields = {name: f"(?:{'|'.join(map(re.escape, its))})" for name, its in query_frames._FIELDS.items()}
    fields |= {"x": "(?P<thing>.+)", "a": "(?:an? )?(?P<thing>.+)", "need": "(?P<thing>.+)"}
    values = [value for facet in words.attributes for tag in facet.tags for value in words.nouns[tag]]
    fields["v"] = f"(?:{'|'.join(map(re.escape, values))})"
    patterns = [
        re.compile(re.sub(r"\\\{(\w+)\\\}", lambda field: fields[field[1]], re.escape(each))) for each in FRAMES
    ]

    def made(text: str) -> bool:
        framed = {found["thing"] for pattern in patterns if (found := pattern.fullmatch(text))}
        return bool({text, *framed} & phrases)

    assert made("sofa")
    assert made("cheap sofas for the office")
    assert made("looking for an umbrella")
    assert [text.text for text in texts() if made(text.text.casefold())] == []


def test_the_sealed_half_is_the_one_that_was_sealed():
    digest, name = (JUDGED / "sealed.sha256").read_text("utf-8").split()

    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    assert name == "sealed.jsonl"
    if (JUDGED / name).exists():
        assert hashlib.sha256((JUDGED / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2: Invalid JSON"),
        ('{"text": "a", "kind": "title"}', "line 2: acceptable: Field required"),
        ('{"text": "a", "kind": "song", "acceptable": {}}', "line 2: kind: Input should be"),
        ('{"text": "", "kind": "query", "acceptable": {}}', "line 2: text: String should have at least 1 character"),
        ('{"text": "a", "kind": "query", "acceptable": {}, "tags": []}', "line 2: tags: Extra inputs"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, reason):
    path = tmp_path / "judged.jsonl"
    path.write_text('{"text": "a", "kind": "query", "acceptable": {"class": ["b"]}}\n' + line + "\n", "utf-8")

    with pytest.raises(LabelledFileError, match=re.escape(reason)):
        read_judged(path)


def test_all_bad_lines_are_named_and_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "judged.jsonl"
    path.write_text("1\n\n2\n", "utf-8")
    with pytest.raises(LabelledFileError, match=r"(?s)2 bad rows.*line 1.*line 3"):
        read_judged(path)

    path.write_text("\n", "utf-8")
    with pytest.raises(LabelledFileError, match="has no judged texts"):
        read_judged(path)
    with pytest.raises(LabelledFileError, match="No such file"):
        read_judged(tmp_path / "none.jsonl")
