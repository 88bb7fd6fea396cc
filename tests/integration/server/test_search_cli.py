"""`hangtag find`, `taglist`, `clarify` and `similar`, on a server with an index in memory."""

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.settings import RedisSettings
from hangtag.v1 import tags_pb2
from tests.integration.server.index import RecordingIndex, indexing
from tests.integration.server.parts import Code, serving, settings_for
from tests.integration.server.word_tagger import WordTagger

Run = Callable[..., Result]
RED = tags_pb2.Tag(facet="color", value="red", confidence=0.75, band=tags_pb2.BAND_AUTO)


@pytest.fixture(scope="module")
def index() -> RecordingIndex:
    return RecordingIndex()


@pytest.fixture(scope="module")
def address(loop: asyncio.AbstractEventLoop, valkey_url: str, index: RecordingIndex) -> Iterator[str]:
    with indexing(index) as port:
        settings = settings_for(RedisSettings(url=valkey_url), index_address=f"127.0.0.1:{port}")
        with serving(loop, settings, WordTagger()) as served:
            yield f"127.0.0.1:{served.port}"


@pytest.fixture
def run(address: str, index: RecordingIndex, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    index.asked.clear()
    index.replies.clear()
    index.errors.clear()
    return lambda *words, **more: CliRunner().invoke(app, [*words, "--server", address], **more)


def test_find_shows_what_was_understood_found_and_counted(run: Run, index: RecordingIndex) -> None:
    index.replies["FindProducts"] = tags_pb2.FindProductsResponse(
        products=[{"product_id": "sku-1", "version": 7, "score": 1.5, "matched": [RED]}],
        total=1_200,
        next_page_token="abc",
        facets=[{"facet": "color", "values": [{"value": "red", "products": 9}], "distinct_values": 3}],
        index={"as_of": {"seconds": 9}, "lag_records": 2, "products": 5_000},
    )

    done = run(
        *("find", "class:cat food", "NOT", "genre:[rpg,indie]", "--text", "red shoes", "--base", "segment:clothing"),
        *("--boost", "color:red=2", "--counts", "color", "--review", "--limit", "1", "--page", "t"),
    )

    assert done.exit_code == 0, done.output
    for part in (
        "filters: class:shoes, color:red",
        "ranks: segment:clothing",
        "left out: color:blue",
        "color:red 0.75",
        "1,200 products of 5,000, as of 00:00:09 UTC, 2 records behind",
        "and 2 more",
        "--page abc",
    ):
        assert part in done.output
    asked = index.last
    assert [each.value for each in asked.query.all_of] == ["cat food", "shoes", "red"]
    assert [each.value for each in asked.query.none_of] == ["rpg", "indie", "blue"]
    assert (asked.query.min_band, asked.page_size, asked.page_token) == (tags_pb2.BAND_REVIEW, 1, "t")
    assert (asked.base.all_of[0].value, asked.boosts[0].weight) == ("clothing", 2)


def test_find_without_products_says_what_there_is_and_ends_with_1(run: Run, index: RecordingIndex) -> None:
    index.replies["FindProducts"] = tags_pb2.FindProductsResponse(
        relaxations=[{"without": [{"facet": "color", "value": "red"}], "products": 4}]
    )

    done = run("find", "color:red")
    as_json = run("find", "color:red", "--json")
    unread = run("find", "--text", "hello")

    assert (done.exit_code, as_json.exit_code) == (1, 1)
    assert "without color:red: 4 products" in done.output
    assert json.loads(as_json.stdout)["relaxations"][0]["products"] == "4"
    assert "no tag of the text: not about a product" in unread.output


def test_a_filter_that_cannot_be_read_is_marked(run: Run) -> None:
    on_server = run("find", "color:red", "colour:navy").exception
    here = run("find", "--base", "color:[red").exception

    assert isinstance(on_server, CommandError)
    assert str(on_server) == (
        "filter, character 11: there is no facet 'colour'; did you mean 'color'?\n"
        "  color:red colour:navy\n"
        "            ^"
    )
    assert str(here) == (
        "character 7: this bracket is not closed; write ] behind the last value\n  color:[red\n        ^"
    )


def test_an_index_that_is_away_is_named_with_the_command_that_starts_it(run: Run, index: RecordingIndex) -> None:
    index.errors["FindProducts"] = (Code.UNAVAILABLE, "replaying")

    error = run("find", "color:red").exception

    assert isinstance(error, CommandError)
    assert "hangtag index serve" in str(error)
    assert "hangtag demo" in str(error)


def test_taglist_lists_facets_and_tags(run: Run, index: RecordingIndex) -> None:
    index.replies["ListTags"] = tags_pb2.ListTagsResponse(
        facets=[{"facet": "class", "tags": [{"value": "shoes", "products": 1_234}]}]
    )

    facets, tags, as_json = run("taglist"), run("taglist", "class"), run("taglist", "class", "--json")
    unknown = run("taglist", "size").exception

    assert all(name in facets.output for name in ("segment", "class", "color", "genre", "segment:games"))
    assert all(part in tags.output for part in ("Shoes", "1,234", "sneakers", "0.50"))
    assert json.loads(as_json.stdout)["facets"][0]["tags"][1]["codes"] == {"gs1": "10001070"}
    assert str(unknown) == "there is no facet 'size'; the facets are segment, class, color, genre"


def test_clarify_shows_the_question_or_why_there_is_none(run: Run, index: RecordingIndex) -> None:
    index.replies["Clarify"] = tags_pb2.ClarifyResponse(
        facet="class", choices=[{"value": "shoes", "products": 4}], candidates=9, expected_candidates=4.4
    )
    question = run("clarify", "red shoes", "--filter", "segment:clothing", "--asked", "genre", "--choices", "3")
    asked = index.last
    index.replies["Clarify"] = tags_pb2.ClarifyResponse(end=tags_pb2.CLARIFY_END_FEW_PRODUCTS, candidates=2)
    end = run("clarify", "--filter", "color:red", "--review")
    with_review = index.last

    assert question.exit_code == end.exit_code == 0
    assert all(part in question.output for part in ("Shoes", "9 products now, about 4 after the answer"))
    assert (asked.query.all_of[0].value, list(asked.asked_facets), asked.max_values) == ("clothing", ["genre"], 3)
    assert asked.query.min_band == tags_pb2.BAND_UNSPECIFIED
    assert (with_review.query.all_of[0].value, with_review.query.min_band) == ("red", tags_pb2.BAND_REVIEW)
    assert "No question: so few products are left" in end.output


def test_similar_takes_ids_from_standard_input(run: Run, index: RecordingIndex) -> None:
    index.replies["SimilarProducts"] = tags_pb2.SimilarProductsResponse(
        products=[{"product_id": "b", "version": 2, "score": 0.5, "shared": [{"facet": "color", "value": "red"}]}]
    )

    table = run("similar", "a", "--limit", "3", "--base", "color:red")
    one = run("similar", "a", "--json")
    several = run("similar", "-", "--json", input="x\n\n y \n")

    assert all(part in table.output for part in ("b", "0.500", "color:red"))
    assert json.loads(one.stdout)["products"][0]["product_id"] == "b"
    assert [each["product_id"] for each in json.loads(several.stdout)] == ["x", "y"]
    assert [each.product_id for each in index.asked] == ["a", "a", "x", "y"]
    assert run("similar", "-", input="\n").exit_code == 2


def test_a_weight_that_is_none_is_refused(run: Run) -> None:
    done = run("find", "color:red", "--boost", "color:red=much")

    assert done.exit_code == 2
    assert "is not TAG=WEIGHT" in done.output
