"""The newest text of each product goes to `products.texts` with its tags, and before its event is settled."""

from hangtag.records import KeptText
from hangtag.settings import KafkaSettings
from hangtag.text.product_text import CleanedFields
from tests.unit.worker_parts import House, event


def texts(house: House) -> list[tuple[str, int, str]]:
    return [(each.product_id, each.version, each.fields.title) for each in house.sink.texts]


def test_a_text_is_kept_cleaned_with_what_the_shop_sent():
    house = House()
    sent = event("a", 3, "<b>red</b> &amp; blue")
    sent["product"] |= {"merchant_category": "Scarves", "language": "en", "url": "https://x/1", "price": {}}
    sent["product"]["price"] = {"currency": "EUR", "amount": 5}
    house.source.append(sent)
    house.steps()

    [kept] = house.sink.texts

    assert kept.fields == CleanedFields.of("red & blue", "", "Scarves")
    assert (kept.version, kept.language, kept.shop.url, kept.shop.price) == (3, "en", "https://x/1", ("EUR", "5"))
    assert kept.text_hash == house.store.entries["a"].text_hash


def test_no_offset_is_committed_before_the_text_is_acknowledged():
    house = House()
    house.sink.is_down = True
    house.source.append(event("a", 1))
    house.steps()

    assert (texts(house), house.committed()) == ([], 0)

    house.sink.is_down = False
    house.steps(300)

    assert (texts(house), house.committed()) == ([("a", 1, "shoe")], 1)


def test_the_text_of_a_new_version_is_kept_also_if_it_is_the_same():
    house = House()
    house.source.append(event("a", 1))
    house.steps()
    house.source.append(event("a", 2))
    house.steps()

    assert len(house.tagger.batches) == 1
    assert texts(house) == [("a", 1, "shoe"), ("a", 2, "shoe")]


def test_an_older_text_is_not_kept():
    house = House()
    house.source.append(event("a", 5, "shoe"))
    house.steps()
    house.source.append(event("a", 4, "boot"))
    house.steps()

    assert house.committed() == 2
    assert texts(house) == [("a", 5, "shoe")]


def test_a_deletion_is_kept_as_one():
    house = House()
    house.source.append(event("a", 1))
    house.source.append(event("a", 2, kind="DELETED"))
    house.steps()

    assert house.sink.texts[-1] == KeptText.deletion("a", 2)


def test_an_event_that_is_read_again_after_a_crash_keeps_its_text():
    """The worker ended between the store and the topic: only the store has the version."""
    house = House()
    house.source.append(event("a", 1))
    house.steps()
    house.sink.texts.clear()
    house.source.committed.clear()
    house.restart()
    house.steps()

    assert texts(house) == [("a", 1, "shoe")]


def test_the_topic_can_be_switched_off():
    assert KafkaSettings(texts_topic="none").texts_topic == KafkaSettings(texts_topic="").texts_topic == ""
