"""What travels on Kafka: product events in, tags and dead letters out."""

from hangtag.records.dead_letter import OWN_HEADERS, dead_letter_headers
from hangtag.records.event import Event, EventError, Kind, decode_event
from hangtag.records.record import Headers, Partition, Record
from hangtag.records.tagged import TaggedProduct, decode_tags, encode_tags, no_tags_reason, tag_message

__all__ = [
    "OWN_HEADERS",
    "Event",
    "EventError",
    "Headers",
    "Kind",
    "Partition",
    "Record",
    "TaggedProduct",
    "dead_letter_headers",
    "decode_event",
    "decode_tags",
    "encode_tags",
    "no_tags_reason",
    "tag_message",
]
