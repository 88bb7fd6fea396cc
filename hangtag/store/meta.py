"""The hash `ht:meta`: what every program that shares a store must agree on, and whether its content is complete."""

from dataclasses import dataclass
from typing import Any

from hangtag.store.errors import StoreMismatchError, is_wrong_type, store_error
from hangtag.store.keys import META_KEY
from hangtag.store.value import FORMAT

# `identity` is random and made with the store: a store that lost its data gets another one. `emptied` is the time, in
# ms since 1970, at which a worker noticed that; `rebuilt` is the identity for which a rebuild has ended.
META_FIELDS = ("format", "buckets", "identity", "emptied", "rebuilt")
READ_META = ("HMGET", META_KEY, *META_FIELDS)


@dataclass(frozen=True, slots=True)
class StoreState:
    """What the store records about itself.

    `identity` is empty while no worker has written to the store. `emptied_ms` is the time at which a worker noticed
    that the store had lost its data, None if it has not or a rebuild has ended since.
    """

    identity: str = ""
    emptied_ms: int | None = None
    rebuilt_identity: str = ""

    @property
    def is_claimed(self) -> bool:
        """True once a worker has written format, bucket count and identity."""
        return bool(self.identity)


def read_meta(found: Any, buckets: int, address: str) -> StoreState:
    """Compare the store's format and bucket count with the settings. `found` is the reply to `READ_META`.

    Raises:
        StoreMismatchError: another format or bucket count, or a key that is not Hangtag's; the message says what to do.
        StoreError: the store refused the command.
    """
    if isinstance(found, Exception):
        if is_wrong_type(found):
            msg = (
                f"the key {META_KEY} in the store at {address} belongs to another program; set HANGTAG_REDIS__URL to "
                "a database of Hangtag's own"
            )
            raise StoreMismatchError(msg) from found
        raise store_error(address, found) from found
    texts = [None if value is None else value.decode(errors="replace") for value in found]
    stored_format, stored_buckets, identity, emptied, rebuilt = texts
    if stored_format not in (None, str(FORMAT)):
        advice = (
            "stop every worker and server, then run `hangtag rebuild`, which fills the store again from products.tagged"
            if stored_format == "1"
            else "run the release that wrote it, or set HANGTAG_REDIS__URL to another store"
        )
        msg = f"the store at {address} has format {stored_format}, this release needs format {FORMAT}; {advice}"
        raise StoreMismatchError(msg)
    if stored_buckets not in (None, str(buckets)):
        msg = (
            f"the store at {address} was first written with {stored_buckets} buckets, the settings have {buckets}; "
            f"set HANGTAG_REDIS__BUCKETS={stored_buckets}"
        )
        raise StoreMismatchError(msg)
    if stored_format is None or stored_buckets is None or identity is None:
        return StoreState()
    return StoreState(identity, int(emptied) if emptied is not None and emptied.isdigit() else None, rebuilt or "")
