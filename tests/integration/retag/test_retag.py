"""`hangtag retag` with a real broker and a real Valkey: products of one bundle get the tags of another, and back."""

from contextlib import closing
from dataclasses import replace

import orjson
import pytest
from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.records import decode_tags
from hangtag.settings import ModelSettings
from hangtag.store import RedisTagStore, RetagStore, bundle_prefix
from hangtag.tagger.tagger import open_tagger
from hangtag.tags.decisions import Decision
from hangtag.tags.schema import TagSchema
from hangtag.workers.retag import LivePace, Undoing
from hangtag.write import KafkaSink, Update, Writes
from tests.bundles import tiny_schema, write_tiny_bundle
from tests.integration.retag.parts import (
    ON_TANSU,
    WORDS,
    Run,
    event,
    formers,
    held,
    listed,
    listed_updates,
    names,
    publish,
    retag,
    texts,
    verified,
    write,
)
from tests.integration.test_worker import until, working

pytestmark = [ON_TANSU, pytest.mark.timeout(60)]


def test_a_catalogue_gets_the_tags_of_a_bundle_and_goes_back_without_a_model(settings, bundles, taggers):
    first, second = taggers
    price = {"currency": "EUR", "amount": "19.99"}
    shop = {"shop_id": "s1", "url": "https://x/1", "image_urls": ["https://x/1.jpg"], "price": price}
    model = ModelSettings(bundle=str(bundles[0]), engine="cpu", threads=1)
    events = [event(f"p{number}", title=WORDS[number % 4]) for number in range(40)]
    publish(settings, event("p0", 2, "<b>red</b> dress", attributes={"size": "m"}, **shop), *events[1:])
    with working(settings.model_copy(update={"model": model})):
        until(lambda: None not in held(settings, *(f"p{number}" for number in range(40))))
        publish(settings, orjson.dumps({"type": "DELETED", "product": {"product_id": "p7", "version": 2}}))
        until(lambda: (found := held(settings, "p7")[0]) is not None and found.is_deletion)
    before = held(settings, *(f"p{number}" for number in range(40)))
    found = texts(settings)
    assert found["p7"].is_deletion
    assert (found["p0"].version, found["p0"].fields.title) == (2, "red dress")
    assert found["p0"].shop.price == ("EUR", "19.99")
    assert found["p0"].shop.attributes == {"size": "m"}

    counts = retag("--bundle", str(bundles[1]), "--sequence", "1")

    # The text of the deleted product is still in the topic, before its tombstone.
    assert (counts["written"], counts["computed"], counts["not_there"]) == (39, 39, 1)
    after = held(settings, *(f"p{number}" for number in range(40)))
    assert after[7] == before[7]
    assert [names(each) for each in after[:4]] == [
        {tag.tag for tag in (*tags.tags, *tags.review)} for tags in second(list(WORDS))
    ]
    assert {each.sequence for each in after if each is not None and not each.is_deletion} == {1}
    assert retag("--bundle", str(bundles[1]), "--sequence", "1")["same"] == 39
    assert verified() == 0

    undone = retag("undo", "--sequence", "2")

    assert undone == {"sequence": 2, "restored": 39, "changed": 0}
    restored = held(settings, *(f"p{number}" for number in range(40)))
    assert [each.payload for each in restored] == [each.payload for each in before]
    assert {each.sequence for each in restored if not each.is_deletion} == {2}
    assert {each.bundle_prefix for each in restored if not each.is_deletion} == {bundle_prefix(first.bundle.version)}
    assert formers(settings) == set()
    assert verified() == 0


def test_what_is_newer_deleted_or_decided_stays(settings, taggers):
    first, second = taggers
    events = {name: event(name, 2) for name in ("plain", "newer", "deleted", "decided", "later")}
    listed(settings, first, *events.values())
    # Its text is not in the topic.
    [newer] = listed_updates(first, event("newer", 3, "cat food"))
    write(settings, replace(newer, kept=None))
    listed(settings, first, event("later", 2), sequence=5)
    decision = Decision("color:navy", is_accepted=True)
    [decided] = held(settings, "decided")
    with closing(RedisTagStore(settings.redis)) as store, closing(KafkaSink(settings.kafka)) as sink:
        Writes([Update("deleted", 3, None)]).run(store, sink)
        person = Update.of(decided)
        entry = person.entry([decision], 1_700_000_000_000)
        assert store.write([entry])[0].outcome == "WRITTEN"
        Writes.of_stored([entry]).run(store, sink)
    before = held(settings, *events)

    counts = Run(settings, second).go().counts

    after = dict(zip(events, held(settings, *events), strict=True))
    assert [after[name] for name in ("newer", "deleted", "later")] == [before[place] for place in (1, 2, 4)]
    assert after["plain"].bundle_prefix == bundle_prefix(second.bundle.version)
    assert after["decided"].bundle_prefix == bundle_prefix(second.bundle.version)
    assert after["decided"].revision == 1_700_000_000_000
    assert "color:navy" in names(after["decided"])
    assert decode_tags(after["decided"].payload).decisions == (decision,)
    assert (counts.written, counts.decided, counts.not_there) == (2, 1, 1)
    assert verified() == 0


def test_a_tag_that_was_blocked_since_does_not_come_back(settings, taggers):
    first, second = taggers
    listed(settings, first, *(event(f"p{number}", title=WORDS[number % 4]) for number in range(12)))
    before = held(settings, *(f"p{number}" for number in range(12)))
    tag = max(names(before[0]))
    run = Run(settings, second).go().run
    schema = first.bundle.schema.model_copy(update={"blocked": (tag,)})
    pace = LivePace(None, 0, lambda _: None)
    with closing(RetagStore(settings.redis)) as store, closing(KafkaSink(settings.kafka)) as sink:
        Undoing(run, 3, store, store, sink, pace, lambda: None, schema, blocked_sequence=2).undo()

    after = held(settings, *(f"p{number}" for number in range(12)))

    assert {entry.sequence for entry in after} == {3}
    assert all(tag not in names(entry) for entry in after)
    assert names(after[0]) < names(before[0])
    assert verified() == 0


def test_only_what_is_selected_is_tagged_again_and_finalize_ends_it(settings, bundles, taggers):
    first, _ = taggers
    listed(settings, first, *(event(f"p{number}", title=WORDS[number % 4]) for number in range(8)))
    before = held(settings, *(f"p{number}" for number in range(8)))
    tag = min(names(before[0]) - names(before[1]))
    having = {f"p{place}" for place, entry in enumerate(before) if tag in names(entry)}

    counts = retag("--bundle", str(bundles[1]), "--sequence", "1", "--only", tag)

    assert (counts["written"], counts["not_selected"]) == (len(having), 8 - len(having))
    assert formers(settings) == having
    refused = CliRunner().invoke(app, ["retag", "--bundle", str(bundles[0]), "--sequence", "3"])
    assert "hangtag retag finalize" in str(refused.exception)
    assert "model rollback" in str(CliRunner().invoke(app, ["retag", "undo"]).exception)
    assert retag("finalize") == {"dropped": len(having)}
    assert formers(settings) == set()
    assert retag("--bundle", str(bundles[0]), "--sequence", "3")["written"] == 8


def test_events_and_files_are_sources_too(settings, bundles, taggers, tmp_path):
    first, _ = taggers
    events = [event(f"p{number}", 3, WORDS[number % 4], language="en") for number in range(6)]
    listed(settings, first, *events[:4])
    publish(settings, *events, b"no event")
    file = tmp_path / "shop.jsonl"
    rows = [orjson.loads(value)["product"] for value in events]
    file.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))

    of_events = retag("--bundle", str(bundles[1]), "--sequence", "1", "--from", "events")
    retag("finalize")
    of_file = retag("--bundle", str(bundles[0]), "--sequence", "2", "--from", str(file), "--create")

    assert (of_events["written"], of_events["not_there"], of_events["unreadable"]) == (4, 2, 1)
    assert (of_file["written"], of_file["not_there"]) == (6, 0)
    assert [entry.version for entry in held(settings, *(f"p{number}" for number in range(6)))] == [3] * 6
    assert verified() == 0


def test_tags_that_a_schema_has_lost_go_and_what_people_decided_comes_back_with_them(settings, taggers, tmp_path):
    first, _ = taggers
    fields = tiny_schema().model_dump()
    fields["facets"] = [each for each in fields["facets"] if each["name"] != "genre"]
    fields["facets"][2]["values"] = ("blue", "red")
    write_tiny_bundle(tmp_path / "fewer", 3, schema=TagSchema.model_validate(fields))
    listed(settings, first, event("decided"), *(event(f"p{number}", title=WORDS[number % 4]) for number in range(8)))
    ids = ["decided", *(f"p{number}" for number in range(8))]
    decisions = (Decision("color:navy", is_accepted=True), Decision("genre:rpg", is_accepted=True))
    with closing(RedisTagStore(settings.redis)) as store, closing(KafkaSink(settings.kafka)) as sink:
        [found] = store.read(["decided"])
        person = Update.of(found).entry(decisions, 1_700_000_000_000)
        store.write([person])
        Writes.of_stored([person]).run(store, sink)
    assert {"color:navy", "genre:rpg"} <= names(held(settings, "decided")[0])

    with closing(open_tagger(ModelSettings(bundle=str(tmp_path / "fewer"), engine="cpu", threads=1))) as fewer:
        Run(settings, fewer).go()
        lost = held(settings, *ids)
        known = set(fewer.bundle.schema.tags)
    retag("finalize")
    Run(settings, first, sequence=2).go()

    assert {each.sequence for each in lost} == {1}
    assert set().union(*(names(each) for each in lost)) <= known
    assert decode_tags(lost[0].payload).decisions == decisions
    again = held(settings, *ids)
    assert {"color:navy", "genre:rpg"} <= names(again[0])
    assert {each.sequence for each in again} == {2}
    assert verified() == 0
