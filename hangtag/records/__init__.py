"""What travels on Kafka: product events in, tags and dead letters out."""

from hangtag.records.dead_letter import OWN_HEADERS, TRUNCATED, DeadLetter, dead_letter_of
from hangtag.records.event import Event, EventError, Kind, ProductVersion, decode_event, decode_version
from hangtag.records.kept_text import KeptText, decode_text, encode_text
from hangtag.records.kept_vector import KeptVector, decode_vector, encode_vector
from hangtag.records.product_id import product_id_of
from hangtag.records.record import Headers, Partition, Record, size_of
from hangtag.records.replay import Replay
from hangtag.records.shop_fields import ShopFields
from hangtag.records.tagged import TaggedProduct, decode_tags, encode_tags, no_tags_reason, tag_message
from hangtag.records.unblocked import unblocked

__all__ = [
    "OWN_HEADERS",
    "TRUNCATED",
    "DeadLetter",
    "Event",
    "EventError",
    "Headers",
    "KeptText",
    "KeptVector",
    "Kind",
    "Partition",
    "ProductVersion",
    "Record",
    "Replay",
    "ShopFields",
    "TaggedProduct",
    "dead_letter_of",
    "decode_event",
    "decode_tags",
    "decode_text",
    "decode_vector",
    "decode_version",
    "encode_tags",
    "encode_text",
    "encode_vector",
    "no_tags_reason",
    "product_id_of",
    "size_of",
    "tag_message",
    "unblocked",
]
