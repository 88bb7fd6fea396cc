"""A dead letter: the record as it was, and why it cannot be tagged."""

from typing import NamedTuple

from hangtag.records.record import Headers, Record, size_of
from hangtag.records.replay import REPLAY_HEADERS

OWN_HEADERS = "hangtag."
MAX_MESSAGE_BYTES = 1_024
# What was left out of a dead letter, comma-separated: value, headers, key.
TRUNCATED = OWN_HEADERS + "truncated"
# Sizes before anything was left out.
VALUE_BYTES = OWN_HEADERS + "value_bytes"
RECORD_BYTES = OWN_HEADERS + "record_bytes"

# What another dead letter of the same record keeps.
_KEPT = frozenset({TRUNCATED, VALUE_BYTES, RECORD_BYTES, *REPLAY_HEADERS})
# A shorter value is left out at once.
_LEAST_VALUE_BYTES = 1_024
_LEAST_KEY_BYTES = 256


class DeadLetter(NamedTuple):
    """What is produced for a record that cannot be tagged: its key, value and headers, and Hangtag's headers."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    def shortened(self) -> "DeadLetter | None":
        """The letter with less of the record, marked as truncated. None: nothing is left that may be left out.

        The value is halved until it is gone, then the record's headers are left out, then the key is truncated.
        """
        own = dict(each for each in self.headers if each[0].startswith(OWN_HEADERS))
        original = [each for each in self.headers if each[0] not in own]
        own.setdefault(VALUE_BYTES, str(len(self.value or b"")).encode())
        own.setdefault(RECORD_BYTES, str(size_of(self.key, self.value, original)).encode())
        key, value = self.key, self.value
        if value:
            what = "value"
            value = value[: len(value) // 2] if len(value) > _LEAST_VALUE_BYTES else b""
        elif original:
            what, original = "headers", []
        elif key is not None and len(key) > _LEAST_KEY_BYTES:
            what, key = "key", key[:_LEAST_KEY_BYTES]
        else:
            return None
        before = (own.pop(TRUNCATED, None) or b"").decode("utf-8", "replace").split(",")
        truncated = ",".join(dict.fromkeys([*filter(None, before), what]))
        own_headers = [(TRUNCATED, truncated.encode()), *own.items()]
        return DeadLetter(key, value, [*original, *own_headers])


def dead_letter_of(
    record: Record,
    *,
    group: str,
    stage: str,
    error: str,
    message: str,
    attempts: int,
    bundle_version: str,
) -> DeadLetter:
    """The record, with its own headers unchanged, then Hangtag's as UTF-8 text.

    Headers of Hangtag that the record already has, because it was a dead letter before, are replaced, except those that
    say what was left out of it and who sent it again. `message` is truncated to 1 KiB at a character boundary. A record
    without key and value gets an empty value: no client can send neither.
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
    kept = [(name, value) for name, value in record.headers if not name.startswith(OWN_HEADERS) or name in _KEPT]
    value = b"" if record.key is None and record.value is None else record.value
    added = [(OWN_HEADERS + name, text.encode("utf-8", "replace")) for name, text in own.items()]
    return DeadLetter(record.key, value, [*kept, *added])


def _truncate(message: str) -> str:
    return message.encode("utf-8", "replace")[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")
