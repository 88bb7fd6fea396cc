"""What lies in a product's key, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.store import Entry, StoreError, StoreMismatchError
from hangtag.store.errors import address_of, store_error
from hangtag.store.keys import bucket_of, product_key, seen_key
from hangtag.store.meta import check_meta
from hangtag.store.value import FORMAT, HEADER_BYTES, pack, pack_version, unpack
from hangtag.text.limits import MAX_VERSION

BUNDLE = "0123456789abcdef" * 4
versions = st.integers(0, MAX_VERSION)


@given(versions, st.binary(min_size=1))
def test_packed_entry_is_read_back(version: int, payload: bytes) -> None:
    stored = unpack(pack(Entry("p", version, BUNDLE, payload)), None)

    assert (stored.version, stored.payload, stored.seen_version) == (version, payload, None)
    assert stored.bundle_prefix == bytes.fromhex(BUNDLE[:16])
    assert not stored.is_deleted


@given(versions, versions)
def test_byte_order_of_versions_is_number_order(one: int, other: int) -> None:
    assert (pack_version(one) < pack_version(other)) == (one < other)


@pytest.mark.parametrize("bundle", [BUNDLE, ""])
def test_deletion_is_the_header_alone(bundle: str) -> None:
    value = pack(Entry("p", 7, bundle, b""))

    assert len(value) == HEADER_BYTES
    assert unpack(value, pack_version(8)).is_deleted
    assert unpack(value, pack_version(8)).seen_version == 8


@pytest.mark.parametrize(
    "value", [None, b"", b"\x01short", bytes([FORMAT + 1]) + pack(Entry("p", 1, BUNDLE, b"x"))[1:]]
)
def test_value_that_is_not_ours_counts_as_none(value: bytes | None) -> None:
    stored = unpack(value, b"not eight bytes")

    assert (stored.version, stored.payload, stored.seen_version, stored.is_deleted) == (None, b"", None, False)


@pytest.mark.parametrize("version", [-1, MAX_VERSION + 1])
def test_version_out_of_range_is_refused(version: int) -> None:
    with pytest.raises(ValueError, match="outside 0"):
        Entry("p", version, BUNDLE, b"x")


@pytest.mark.parametrize("bundle", ["", "abc", "not hexadecimal!!"])
def test_bundle_version_must_be_hex(bundle: str) -> None:
    with pytest.raises(ValueError, match="16 hex digits"):
        Entry("p", 1, bundle, b"x")


def test_keys_of_a_product_share_a_slot() -> None:
    # crc32 of the UTF-8 bytes, fixed: a store written yesterday is read tomorrow.
    assert bucket_of("123456789", 64) == 0xCBF43926 % 64
    assert product_key("123456789", 64) == "ht:p:{38}:123456789"
    assert seen_key("123456789", 64) == "ht:seen:{38}:123456789"
    assert bucket_of("Schlüssel", 64) == bucket_of("Schlüssel", 64) < 64


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://user:secret@cache:6380/2", "cache:6380"),
        ("rediss://cache", "cache:6379"),
        ("redis://", "localhost:6379"),
        ("unix:///run/valkey.sock?password=secret", "/run/valkey.sock"),
        ("redis://:sec/ret@cache:6380", "an address that cannot be read"),
    ],
)
def test_address_has_no_password(url: str, address: str) -> None:
    assert address_of(url) == address


def test_error_says_where_and_what_to_do() -> None:
    error = store_error("cache:6379", TimeoutError())

    assert str(error) == ("the store at cache:6379 does not answer: TimeoutError; start it, or set HANGTAG_REDIS__URL")


def test_meta_that_fits_or_is_empty() -> None:
    assert check_meta([b"1", b"64"], 64, "cache:6379")
    assert not check_meta([None, None], 64, "cache:6379")


@pytest.mark.parametrize(
    ("found", "says"), [((b"1", b"32"), "HANGTAG_REDIS__BUCKETS=32"), ((b"2", b"64"), "holds format 2")]
)
def test_meta_that_does_not_fit_says_what_to_set(found: tuple[bytes, bytes], says: str) -> None:
    with pytest.raises(StoreMismatchError, match=says) as caught:
        check_meta(found, 64, "cache:6379")

    assert isinstance(caught.value, StoreError)
