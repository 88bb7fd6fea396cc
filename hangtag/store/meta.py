"""The hash `ht:meta`: what every program that shares a store must agree on."""

from collections.abc import Sequence

from hangtag.store.errors import StoreMismatchError
from hangtag.store.value import FORMAT

META_FIELDS = ("format", "buckets")


def meta_values(buckets: int) -> dict[str, int]:
    """What this program would write."""
    return {"format": FORMAT, "buckets": buckets}


def check_meta(found: Sequence[bytes | None], buckets: int, address: str) -> bool:
    """Compare what the store says of itself with the settings; False if the store says nothing yet.

    Raises:
        StoreMismatchError: another format or bucket count; says what to set.
    """
    stored_format, stored_buckets = (None if value is None else value.decode(errors="replace") for value in found)
    if stored_format not in (None, str(FORMAT)):
        msg = (
            f"the store at {address} holds format {stored_format}, this program reads and writes format {FORMAT}; "
            "run the release that wrote it, or set HANGTAG_REDIS__URL to an empty store"
        )
        raise StoreMismatchError(msg)
    if stored_buckets not in (None, str(buckets)):
        msg = (
            f"the store at {address} was first written with {stored_buckets} buckets, the settings say {buckets}; "
            f"set HANGTAG_REDIS__BUCKETS={stored_buckets}"
        )
        raise StoreMismatchError(msg)
    return stored_format is not None and stored_buckets is not None
