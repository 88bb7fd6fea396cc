"""What is known of one product, in a form that can be compared."""

from hangtag.index.index import Index
from hangtag.index.slots import CONFIDENCE_STEPS, confidence_of, is_review, tag_number_of
from hangtag.store import Entry
from hangtag.v1 import tags_pb2

# Of each tag its name, its confidence in steps, and whether it is in REVIEW.
Content = frozenset[tuple[str, int, bool]]


def content_in(index: Index, product_id: bytes) -> tuple[tuple[int, bool, int, int], Content] | None:
    """The rank and the tags of a product in an index, deleted ones included; None if it knows nothing of it."""
    number = index.ids.find(product_id)
    # A version below 0 stands for a product of which nothing is known any more.
    if number is None or index.rows.rank(number)[0] < 0:
        return None
    names = index.tags.tags
    slots = index.rows.slots(number)
    return index.rows.rank(number), frozenset(
        (names[tag_number_of(slot)], confidence_of(slot), is_review(slot)) for slot in slots
    )


def content_of(entry: Entry) -> Content:
    """The tags of an entry as an index should have them; read apart from the index, so that it can be checked."""
    message = tags_pb2.ProductTags.FromString(entry.payload)
    found: dict[str, tuple[str, int, bool]] = {}
    for tags, in_review in ((message.tags, False), (message.review, True)):
        for tag in tags:
            name = f"{tag.facet}:{tag.value}"
            steps = min(CONFIDENCE_STEPS, max(0, round(tag.confidence * CONFIDENCE_STEPS)))
            found.setdefault(name, (name, steps, in_review))
    return frozenset(found.values())
