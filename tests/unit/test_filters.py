"""Filters that people type: what they mean, and what is said about those that cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.filters import MAX_CHARS, MAX_TAGS, FilterError, Vocabulary, format_filter, parse_filter
from hangtag.tags.about import About
from hangtag.v1 import tags_pb2
from tests.bundles import tiny_schema

SCHEMA = tiny_schema().model_copy(update={"about": {"class:shoes": About(label="Footwear", synonyms=("sneakers",))}})
VOCABULARY = Vocabulary.of(SCHEMA)

# Anything that protobuf can hold, with what has a meaning in a filter more often than by chance.
_names = st.text(st.one_of(st.sampled_from('[],:"\\- ANDORT'), st.characters(exclude_categories=["Cs"])), min_size=1)
_tags = st.builds(lambda facet, value: tags_pb2.TagName(facet=facet, value=value), _names, _names)
_same_facet = st.builds(
    lambda facet, values: [tags_pb2.TagName(facet=facet, value=value) for value in values],
    _names,
    st.lists(_names, min_size=1, max_size=3),
)
_groups = st.builds(
    lambda tags: tags_pb2.TagGroup(tags=tags), st.one_of(st.lists(_tags, min_size=1, max_size=3), _same_facet)
)
_queries = st.builds(
    lambda all_of, any_of, none_of: tags_pb2.TagQuery(all_of=all_of, any_of=any_of, none_of=none_of),
    st.lists(_tags, max_size=3),
    st.lists(_groups, max_size=3),
    st.lists(_tags, max_size=3),
)


@given(_queries)
def test_every_query_can_be_written_as_a_filter(query: tags_pb2.TagQuery) -> None:
    assert parse_filter(format_filter(query)) == query


@given(st.text(st.one_of(st.sampled_from('[],:"\\- ANDORTab'), st.characters(exclude_categories=["Cs"]))))
def test_a_text_is_a_filter_or_an_error_with_a_place(text: str) -> None:
    try:
        query = parse_filter(text)
    except FilterError as error:
        position = error.position
    else:
        position = 1
        assert parse_filter(format_filter(query)) == query

    assert 1 <= position <= len(text) + 1


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("class:[shoes,dresses] AND color:red NOT genre:rpg", None),
        ("class:[ shoes OR dresses ]color:red -genre:rpg", "class:[shoes,dresses] color:red NOT genre:rpg"),
        ('class:"cat food"', r"class:cat\ food"),
        ("[class:shoes, color:red]", "[class:shoes OR color:red]"),
        ("NOT color:[red,blue]", "NOT color:red - color:blue"),
        ("", "   "),
    ],
)
def test_ways_to_write_the_same(text: str, same: str | None) -> None:
    query = parse_filter(text, VOCABULARY)

    assert parse_filter(format_filter(query), VOCABULARY) == query
    assert same is None or parse_filter(same, VOCABULARY) == query


def test_terms_become_parts_of_the_query() -> None:
    query = parse_filter('class:[shoes,"cat food"] color:red AND genre:rpg NOT segment:pets', VOCABULARY)

    assert [[each.value for each in group.tags] for group in query.any_of] == [["shoes", "cat food"]]
    assert [each.value for each in query.all_of] == ["red", "rpg"]
    assert [(each.facet, each.value) for each in query.none_of] == [("segment", "pets")]


def test_words_in_quotes_and_values_with_a_colon_are_values() -> None:
    query = parse_filter(r'word:"AND" game:half-life:2 note:"say \"no\"\\" minus:-40')

    assert [each.value for each in query.all_of] == ["AND", "half-life:2", 'say "no"\\', "-40"]


@pytest.mark.parametrize(
    ("text", "marked", "said"),
    [
        ("class:shoos", "shoos", "class has no value 'shoos'; did you mean 'shoes'?"),
        ("class:sneakers", "sneakers", "did you mean 'shoes'?"),
        ("class:footwear", "footwear", "did you mean 'shoes'?"),
        ("class:zzz", "zzz", "`hangtag taglist` shows its values"),
        ("colour:red", "colour", "there is no facet 'colour'; did you mean 'color'?"),
        ("xyz:red", "xyz", "the facets are segment, class, color, genre"),
        ("color:red shoes", "shoes", "this word has no facet"),
        ("class:cat food", "cat", "did you mean 'cat food'?"),
        ("color:red and class:shoes", "and", "write AND in capital letters"),
        ("color:red OR color:blue", "OR", "alternatives stand in brackets"),
        ("AND color:red", "AND", "AND stands between two terms"),
        ("color:red AND", "", "AND has no term behind it"),
        ("color:", "", "color has no value here"),
        ("color:[red", "[", "this bracket is not closed"),
        ("color:[]", "[]", "these brackets are empty"),
        ("color:[red blue]", "blue", "write a comma between values"),
        ('color:"red', '"red', "this quote is not closed"),
        ("color:red\\", "\\", "a backslash needs a character behind it"),
        ("color:red ] class:shoes", "]", "a term begins with a facet"),
        ("NOT NOT color:red", "NOT color", "NOT cannot stand here"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(text: str, marked: str, said: str) -> None:
    with pytest.raises(FilterError) as error:
        parse_filter(text, VOCABULARY)

    at = error.value.position - 1
    assert said in error.value.problem
    assert text.startswith(marked, at) if marked else at == len(text)
    assert str(error.value) == f"character {at + 1}: {error.value.problem}"


def test_a_filter_has_limits() -> None:
    with pytest.raises(FilterError, match=f"the maximum is {MAX_CHARS}"):
        parse_filter(" " * (MAX_CHARS + 1))
    with pytest.raises(FilterError, match=f"more than {MAX_TAGS} tags"):
        parse_filter(f"a:[{','.join('b' * (MAX_TAGS + 1))}]")
    assert len(parse_filter(f"a:[{','.join('b' * MAX_TAGS)}]").any_of[0].tags) == MAX_TAGS


@pytest.mark.parametrize(
    "query",
    [
        tags_pb2.TagQuery(min_band=tags_pb2.BAND_REVIEW),
        tags_pb2.TagQuery(any_of=[{}]),
        tags_pb2.TagQuery(all_of=[{"facet": "color"}]),
        tags_pb2.TagQuery(all_of=[{"facet": "color", "value": "x" * MAX_CHARS}]),
    ],
)
def test_what_a_filter_cannot_say_is_refused(query: tags_pb2.TagQuery) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        format_filter(query)
