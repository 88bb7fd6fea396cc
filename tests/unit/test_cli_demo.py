"""The counts of the demo, and the products that it shows."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from hangtag.cli.demo.answers import SHOWN, some_of_each
from hangtag.cli.demo.next_steps import next_steps
from hangtag.cli.demo.programs import environment_with
from hangtag.cli.demo.tally import Counts, Tally
from hangtag.cli.feed_lines import demo_feed
from hangtag.settings import Settings
from hangtag.v1 import tags_pb2

ROOT = Path(__file__).resolve().parents[2]


class _Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _product(product_id: str, version: int | None = None, *tags: str) -> tags_pb2.GetProductTagsResponse:
    if version is None:
        return tags_pb2.GetProductTagsResponse(product_id=product_id, freshness=tags_pb2.FRESHNESS_UNKNOWN)
    parts = [tag.split(":") for tag in tags]
    found = [tags_pb2.Tag(facet=facet, value=value) for facet, value in parts]
    return tags_pb2.GetProductTagsResponse(
        product_id=product_id, version=version, tags=found, freshness=tags_pb2.FRESHNESS_FRESH
    )


def test_counts_add_up_and_the_age_of_the_oldest_grows() -> None:
    time = _Time()
    tally = Tally(time)
    assert tally.counts() == Counts(0, 0, 0, 0, 0.0)
    for number, product_id in enumerate("abcd"):
        time.now = 100.0 + number
        tally.published(product_id, 1)
    tally.see_products([_product("a", 1), _product("b"), _product("stranger", 9)])
    tally.see_dead_letters(["d", "stranger"])
    time.now = 110.0
    assert tally.counts() == Counts(published=4, tagged=1, dead=1, waiting=2, oldest_s=9.0)
    assert tally.waiting(10) == ["b", "c"]
    assert tally.waiting(1) == ["b"]


def test_tags_of_an_older_version_do_not_count() -> None:
    tally = Tally()
    tally.published("a", 5)
    tally.see_products([_product("a", 4)])
    assert tally.counts().waiting == 1
    tally.see_products([_product("a", 6)])
    assert tally.counts().tagged == 1


def test_a_product_published_twice_counts_once() -> None:
    tally = Tally()
    tally.published("a", 5)
    tally.see_products([_product("a", 5)])
    tally.published("a", 5)
    assert tally.counts() == Counts(1, 1, 0, 0, 0.0)
    tally.published("a", 6)
    assert tally.counts().waiting == 1
    tally.see_dead_letters(["a"])
    assert tally.counts() == Counts(1, 0, 1, 0, 0.0)


def test_the_audit_counts_from_fresh_lookups() -> None:
    tally = Tally()
    for product_id in "abcd":
        tally.published(product_id, 1)
    tally.see_products([_product("a", 1), _product("b", 1)])
    tally.see_dead_letters(["c", "d"])
    assert tally.counts().waiting == 0
    # b has disappeared, and d is tagged now
    counts = tally.audit([_product("a", 1), _product("b"), _product("c"), _product("d", 1)])
    assert (counts.published, counts.tagged, counts.dead, counts.waiting) == (4, 2, 1, 1)
    assert tally.waiting(5) == ["b"]


def test_products_of_different_kinds_are_shown() -> None:
    products = [
        _product("1", 1, "class:dresses"),
        _product("2", 1, "class:dresses"),
        _product("3", 1),
        _product("4"),
        _product("5", 1, "class:games", "genre:rpg"),
        _product(SHOWN[0], 1, "class:watches"),
    ]
    assert [product.product_id for product in some_of_each(products)] == [SHOWN[0], "1", "5"]
    assert [product.product_id for product in some_of_each(products, count=1)] == [SHOWN[0]]


@pytest.mark.parametrize("count", [0, 3])
def test_waiting_returns_at_most_the_limit(count: int) -> None:
    tally = Tally()
    for number in range(5):
        tally.published(str(number), 1)
    assert len(tally.waiting(count)) == count


def test_the_addresses_of_the_demo_replace_what_the_environment_names_a_file_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HANGTAG_REDIS__URL_FILE", "/run/secrets/url")
    monkeypatch.setenv("HANGTAG_KAFKA__SASL_PASSWORD_FILE", "/run/secrets/password")

    environment = environment_with({"redis.url": "redis://127.0.0.1:1/0"})

    assert environment["HANGTAG_REDIS__URL"] == "redis://127.0.0.1:1/0"
    assert "HANGTAG_REDIS__URL_FILE" not in environment
    assert environment["HANGTAG_KAFKA__SASL_PASSWORD_FILE"] == "/run/secrets/password"


def test_a_demo_in_a_checkout_names_the_examples_with_its_address_and_feed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)

    def lines(port: int, feed: str) -> list[str]:
        running = SimpleNamespace(host="127.0.0.1", port=port)
        return [
            line for _, some in next_steps(Settings(), running, ["p1"], feed) for line in some if "examples" in line
        ]

    usual, own = lines(50_051, demo_feed()), lines(50_999, "my products.jsonl")

    assert [line.split(" -P ")[1] for line in usual] == ["docs/examples/bot.py", "docs/examples/search_box.py"]
    assert own[0].endswith("docs/examples/bot.py --server 127.0.0.1:50999 --feed 'my products.jsonl'")
    assert lines(50_051, "products.jsonl.gz") == []
    monkeypatch.chdir(tmp_path)
    assert lines(50_051, demo_feed()) == []
