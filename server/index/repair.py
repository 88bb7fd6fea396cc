"""Products that a check found to be wrong in the index, with what the topic says of them."""

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from hangtag.index import Change

# Nothing is known of such a product: every record of it is newer.
NOTHING = (-1, False, 0, 0)


class RepairError(ValueError):
    """The products cannot be read; the message says what is wrong."""


class Wrong(NamedTuple):
    """One of them.

    Attributes:
        found: the rank that the index had of it; None: it did not know it. It is left alone if that is another one by
            now: then it has changed since the check.
        change: what the topic says; of a product that the topic does not have, its rank is `NOTHING`.
    """

    found: tuple[int, bool, int, int] | None
    change: Change


def to_json(products: Sequence[Wrong]) -> bytes:
    """Products as `from_json` reads them."""
    return orjson.dumps(
        [
            {
                "id": _text(change.product_id),
                "found": None if found is None else list(found),
                "rank": list(change.rank),
                "payload": _text(change.payload),
            }
            for found, change in products
        ]
    )


def from_json(raw: bytes) -> list[Wrong]:
    """The products of `to_json`.

    Raises:
        RepairError: it is something else.
    """
    try:
        return [
            Wrong(
                None if each["found"] is None else _rank(each["found"]),
                Change(_bytes(each["id"]), _rank(each["rank"]), _bytes(each["payload"])),
            )
            for each in orjson.loads(raw)
        ]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        msg = "it is not a list of products as `hangtag index check` sends it"
        raise RepairError(msg) from error


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _rank(numbers: Sequence[int]) -> tuple[int, bool, int, int]:
    version, is_deletion, sequence, revision = numbers
    return int(version), bool(is_deletion), int(sequence), int(revision)
