"""The headers of a dead letter."""

import orjson

from hangtag.records.record import Record

OWN_HEADERS = "hangtag."
MAX_MESSAGE_BYTES = 1_024


def dead_letter_headers(
    record: Record,
    *,
    group: str,
    stage: str,
    error: str,
    message: str,
    attempts: int,
    bundle_version: str,
) -> list[tuple[str, bytes]]:
    """The record's own headers, unchanged, then Hangtag's as UTF-8 text.

    kafka-python produces no header without a value: it gets an empty one, and `hangtag.null_headers` lists its name.

    Headers of Hangtag that the record already has, because it was a dead letter before, are replaced. `message` is
    truncated to 1 KiB at a character boundary.
    """
    own = {
        "topic": record.partition.topic,
        "partition": str(record.partition.number),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
        "group": group,
        "stage": stage,
        "error": error,
        "message": _truncate(message),
        "attempts": str(attempts),
        "bundle_version": bundle_version,
    }
    original = [(name, value or b"") for name, value in record.headers if not name.startswith(OWN_HEADERS)]
    if null := [name for name, value in record.headers if value is None and not name.startswith(OWN_HEADERS)]:
        own["null_headers"] = orjson.dumps(null).decode()
    return original + [(OWN_HEADERS + name, text.encode("utf-8", "replace")) for name, text in own.items()]


def _truncate(message: str) -> str:
    return message.encode("utf-8", "replace")[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")
