"""What a dead letter says about itself, in headers beside the record's own."""

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
    """The record's headers byte for byte, then ours as UTF-8 text.

    Headers of ours that the record already has (it is a dead letter that was sent again) are replaced. `message` is cut
    to 1 KiB between two characters.
    """
    ours = {
        "topic": record.partition.topic,
        "partition": str(record.partition.number),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
        "group": group,
        "stage": stage,
        "error": error,
        "message": _cut(message),
        "attempts": str(attempts),
        "bundle_version": bundle_version,
    }
    theirs = [(name, value) for name, value in record.headers if not name.startswith(OWN_HEADERS)]
    return theirs + [(OWN_HEADERS + name, text.encode("utf-8", "replace")) for name, text in ours.items()]


def _cut(message: str) -> str:
    return message.encode("utf-8", "replace")[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")
