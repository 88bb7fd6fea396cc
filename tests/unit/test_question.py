"""The questions that Clarify asks, in words."""

import pytest

from hangtag.server.errors import ServerError
from hangtag.server.search.question import Questions
from hangtag.tags.schema import Facet, TagSchema

SCHEMA = TagSchema(
    facets=(
        Facet(name="color", kind="single", values=("red", "blue")),
        Facet(name="fit", kind="single", values=("slim", "wide")),
        Facet(name="occasion", kind="multi", values=("work", "party")),
    )
)


def test_without_a_file_there_are_questions_of_each_kind_in_english_and_german():
    questions = Questions.load(None)

    assert questions.text("fit", "en", SCHEMA) == "Which fit?"
    assert questions.text("occasion", "", SCHEMA) == "Which occasion should it have?"
    assert questions.text("color", "de", SCHEMA) == "In welcher Farbe?"
    assert questions.text("occasion", "de-AT", SCHEMA) == "Was soll dabei sein (occasion)?"
    assert questions.text("fit", "fr", SCHEMA) == "Which fit?"


def test_a_shop_changes_some_of_them(tmp_path):
    path = tmp_path / "questions.toml"
    path.write_text(
        '[en]\nsingle = "Your {label}, please?"\n[en.facets]\noccasion = "For what?"\n'
        '[fr.facets]\ncolor = "Couleur ?"\n'
    )
    questions = Questions.load(path)

    assert questions.text("fit", "en", SCHEMA) == "Your fit, please?"
    assert questions.text("occasion", "en", SCHEMA) == "For what?"
    assert questions.text("color", "en", SCHEMA) == "In which color?"
    assert questions.text("color", "fr", SCHEMA) == "Couleur ?"
    assert questions.text("fit", "fr", SCHEMA) == "Your fit, please?"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[en]\nsingle = "Which {label}?\n', "line 2"),
        ('[en]\n\nsingle = "Which {facet}?"\n', r"line 3: single: the only part to be filled in is \{label\}"),
        ('[en]\nmulti = "{label.__class__}"\n', "line 2: multi: the only part"),
        ('[en]\nsingle = "Which {?"\n', "line 2: single: .*write {{ and }}"),
        ('[en]\nsingle = ""\n', "line 2: single must be a text of 1 to 200 characters"),
        ("[en]\nsingle = 3\n", "line 2: single must be a text"),
        ('[en]\nsingle = "a"\n[en.facets]\nsingle = "b"\ncolor = 7\n', "line 5: color must be a text"),
        ('[en]\ncolor = "In which color?"\n', r"line 2: 'color' is not one of .* below \[en.facets\]"),
        ('[english]\nsingle = "a"\n', "line 1: 'english' is not a table of a language"),
        ('single = "a"\n', "line 1: 'single' is not a table of a language"),
        ('[en]\nfacets = "a"\n', "line 2: facets must be a table"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line_before_the_server_starts(tmp_path, content, message):
    path = tmp_path / "questions.toml"
    path.write_text(content)

    with pytest.raises(ServerError, match=f"server.questions: {path}.*{message}"):
        Questions.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ServerError, match=r"server.questions: .*nowhere.toml cannot be read: No such file"):
        Questions.load(tmp_path / "nowhere.toml")
