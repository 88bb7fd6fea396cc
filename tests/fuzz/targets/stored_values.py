"""Values of the store's keys, whoever wrote them, and the replies that are built of them."""

from hangtag.records import decode_tags
from hangtag.server import wire
from hangtag.server.freshness import freshness
from hangtag.store import Entry, Seen
from hangtag.store.value import FORMAT, HEADER_BYTES, pack, pack_mark, unpack, unpack_entry
from hangtag.text.limits import MAX_VERSION
from hangtag.v1 import tags_pb2
from tests.fuzz.contract import require
from tests.fuzz.pieces import Pieces, optional
from tests.spoiled_values import SPOILED

TAGS = tags_pb2.ProductTags(
    product_id="sku-1",
    version=3,
    tags=[
        tags_pb2.Tag(facet="color", value="red", confidence=0.9, source=tags_pb2.SOURCE_MODEL, band=tags_pb2.BAND_AUTO)
    ],
    bundle_version="ab" * 32,
).SerializeToString()


def _keys(seen: bytes | None, value: bytes | None) -> bytes:
    return optional(seen) + (b"\x00" if value is None else b"\x01" + value)


SEEDS = (
    *(_keys(None, value) for value in SPOILED),
    _keys(pack_mark(Seen(3)), pack(Entry("sku-1", 3, TAGS, b"12345678", 1, 2, b"h" * 16))),
    _keys(pack_mark(Seen(4, 4, 0, 9)), pack(Entry.deletion("sku-1", 3))),
    _keys(None, None),
    _keys((5).to_bytes(8, "big"), None),
    _keys(b"7", b"another program's"),
    _keys(None, bytes([FORMAT]) + b"\xff" * (HEADER_BYTES + 5)),
    _keys(b"\xff" * 8, bytes([FORMAT]) + b"\x00" * HEADER_BYTES),
    _keys(None, pack(Entry("sku-1", MAX_VERSION, b"\x0a\x02\xff\xfe"))),
)


def target(data: bytes) -> str:
    """Read the two keys of a product, as workers and servers do: they agree, and build a reply."""
    pieces = Pieces(data)
    seen = pieces.part_or_none()
    value = pieces.rest() if pieces.number(1) else None
    entry, stored = unpack_entry("sku-1", value), unpack(value, seen)
    if entry is None:
        require(stored.version is None and not stored.payload, "a look-up serves what a worker does not read")
    else:
        require(pack(entry) == value, "a value is read as another one")
        require((stored.version, stored.payload) == (entry.version, entry.payload), "a look-up reads something else")
    if stored.seen is not None:
        version, refused, _, _ = stored.seen
        require(0 <= refused <= version <= MAX_VERSION, "a mark says what no program has written")
    verdict = freshness(stored)
    state = verdict.state
    lookup = wire.lookup_fields(verdict, 1_700_000_000_000)
    if not _is_tags(stored.payload):
        return f"no tags {state}"
    part = stored.payload or wire.id_field(b"sku-1")
    reply = tags_pb2.GetProductTagsResponse.FromString(part + lookup)
    require(reply.freshness == state, "the reply has another freshness")
    replies = tags_pb2.BatchGetProductTagsResponse.FromString(wire.batch([(part, lookup)] * 2))
    require(list(replies.products) == [reply] * 2, "the reply of a batch differs")
    return f"tags {state}"


def _is_tags(payload: bytes) -> bool:
    """Whether a worker could have stored it: only our own messages are handed on unparsed."""
    try:
        decode_tags(payload)
    except ValueError:
        return False
    return True
