"""The one write path: the store, `products.tagged`, and the agreement of both on the newest.

Everyone who writes tags uses `Writes`: workers, the reader of the topic's tail, and `hangtag rebuild`.
"""

from hangtag.write.comparison import Comparison, Disagreement, Finding
from hangtag.write.kafka_sink import KafkaSink
from hangtag.write.move import Move
from hangtag.write.rebuild import PartitionRebuild
from hangtag.write.sink import Reason, RecordSink, SinkError
from hangtag.write.tagged_record import TaggedRecordError, entries_of, entry_of, record_of
from hangtag.write.text_record import TextRecordError, kept_text_of, text_record_of
from hangtag.write.update import Update
from hangtag.write.vector_record import VectorRecordError, kept_vector_of, vector_record_of
from hangtag.write.writes import Writes

__all__ = [
    "Comparison",
    "Disagreement",
    "Finding",
    "KafkaSink",
    "Move",
    "PartitionRebuild",
    "Reason",
    "RecordSink",
    "SinkError",
    "TaggedRecordError",
    "TextRecordError",
    "Update",
    "VectorRecordError",
    "Writes",
    "entries_of",
    "entry_of",
    "kept_text_of",
    "kept_vector_of",
    "record_of",
    "text_record_of",
    "vector_record_of",
]
