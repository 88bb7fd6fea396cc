"""The values of a product's keys, without a server."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis._parsers.base import BaseParser

from hangtag.settings import RedisSettings
from hangtag.store import (
    Entry,
    RedisTagReader,
    RedisTagStore,
    Seen,
    Stored,
    StoreError,
    StoreMismatchError,
    StoreState,
    bundle_prefix,
)
from hangtag.store.client import Connector
from hangtag.store.errors import StoreDeniedError, address_of, is_elsewhere, store_error
from hangtag.store.keys import bucket_of, product_key, seen_key
from hangtag.store.meta import read_meta
from hangtag.store.value import FORMAT, HEADER_BYTES, MARK_BYTES, pack, pack_mark, unpack, unpack_entry, unpack_mark
from hangtag.text.limits import MAX_VERSION

versions = st.integers(0, MAX_VERSION)
prefixes, hashes = st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16)


@given(
    versions, versions, versions, st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16), st.binary()
)
def test_a_packed_entry_is_read_back(
    version: int, sequence: int, revision: int, prefix: bytes, text: bytes, payload: bytes
) -> None:
    entry = Entry("p", version, payload, prefix, sequence, revision, text)

    assert unpack_entry("p", pack(entry)) == entry
    assert unpack(pack(entry), pack_mark(Seen(8, 7, 1, 2))) == Stored(payload, version, Seen(8, 7, 1, 2), sequence)


@given(versions, versions, st.integers(-1, 2**31 - 1), st.integers(-1, MAX_VERSION))
def test_a_packed_mark_is_read_back(one: int, other: int, partition: int, offset: int) -> None:
    seen = Seen(max(one, other), min(one, other), partition, offset)

    assert unpack_mark(pack_mark(seen)) == seen
    assert len(pack_mark(seen)) == MARK_BYTES


def test_a_mark_of_an_earlier_release_is_a_version_alone() -> None:
    assert unpack_mark((7).to_bytes(8, "big")) == Seen(7)


@pytest.mark.parametrize(
    "mark",
    [
        b"",
        b"not eight bytes",
        b"\xff" * 8,
        b"\x02" + pack_mark(Seen(1))[1:],
        pack_mark(Seen(1)) + b"x",
        pack_mark(Seen(1, 2)),
        b"\x01" + b"\xff" * 28,
    ],
)
def test_what_no_program_wrote_as_a_mark_counts_as_none(mark: bytes) -> None:
    assert unpack_mark(mark) is None


ranked = st.builds(
    lambda version, is_deletion, sequence, revision: Entry(
        "p", version, b"" if is_deletion else b"x", sequence=sequence, revision=revision
    ),
    versions,
    st.booleans(),
    versions,
    versions,
)


@given(ranked, ranked)
def test_byte_order_of_headers_is_the_order_of_ranks(one: Entry, other: Entry) -> None:
    assert (pack(one)[1:26] < pack(other)[1:26]) == (one.rank < other.rank)
    assert (pack_mark(Seen(one.version))[1:9] < pack_mark(Seen(other.version))[1:9]) == (one.version < other.version)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\x02short",
        bytes([FORMAT + 1]) + pack(Entry("p", 1, b"x"))[1:],
        b"\x01" + (9).to_bytes(8, "big") + bytes(8) + b"a value of format 1 that is longer than the header of format 2",
    ],
)
def test_a_value_of_another_format_counts_as_none(value: bytes | None) -> None:
    assert unpack(value, b"not eight bytes") == Stored(b"", None, None)
    assert unpack_entry("p", value) is None


def test_a_value_that_is_cut_short_counts_as_none() -> None:
    """A deletion has no payload, tags have one."""
    assert unpack_entry("p", pack(Entry("p", 1, b"x"))[:HEADER_BYTES]) is None
    assert unpack_entry("p", pack(Entry.deletion("p", 1)) + b"x") is None


@pytest.mark.parametrize("bundle", ["", "abc", "not hexadecimal!!"])
def test_a_bundle_version_must_be_hex(bundle: str) -> None:
    with pytest.raises(ValueError, match="16 hex digits"):
        bundle_prefix(bundle)


@pytest.mark.parametrize("wrong", [{"bundle_prefix": b"x"}, {"text_hash": b"x"}, {"sequence": -1}, {"revision": 2**63}])
def test_a_header_field_that_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"outside 0|bytes"):
        Entry("p", 1, b"x", **wrong)


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
        ("redis://user:secret@a:6380,b,a:6380/0", "a:6380,b:6379"),
        ("redis://", "localhost:6379"),
        ("unix:///run/valkey.sock?password=secret", "/run/valkey.sock"),
        ("redis://:sec/ret@cache:6380", "an address that cannot be read"),
        ("redis://user:12/34@cache:6380", "an address that cannot be read"),
        ("redis://user:12#34@cache:6380", "an address that cannot be read"),
        ("redis://user:12?34@cache:6380", "an address that cannot be read"),
        ("redis://us#er:1234@cache:6380", "an address that cannot be read"),
        ("redis://user:12%2F34%23%3F%40@cache:6380", "cache:6380"),
    ],
)
def test_address_has_no_password(url: str, address: str) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize("password", ["12#34", "12/34", "12?34", "#1234", "1234#", "12?3=4", "se#c/r?et"])
@pytest.mark.parametrize("user", ["", "user"])
def test_no_message_has_a_part_of_a_password_that_is_not_escaped(password: str, user: str) -> None:
    config = RedisSettings(url=f"rediss://{user}:{password}@cache:6380/0")

    for kind in (RedisTagStore, RedisTagReader):
        with pytest.raises(StoreMismatchError, match="HANGTAG_REDIS__URL cannot be read.*`#` as %23") as caught:
            kind(config)
        assert caught.value.__cause__ is None
        assert not any(part in str(caught.value) for part in ("12", "34", "se#", "r?et", "cache"))


def test_an_escaped_password_is_the_one_that_is_sent() -> None:
    config = RedisSettings(url="redis://user:%23a%2Fb%3Fc%40d@cache:6380/0")

    options = Connector(config).options
    assert options["credential_provider"].get_credentials() == ("user", "#a/b?c@d")
    assert "#a/b?c@d" not in repr(options)


def test_error_says_where_and_what_to_do() -> None:
    error = store_error("cache:6379", TimeoutError())

    assert str(error) == ("the store at cache:6379 does not answer: TimeoutError; start it, or set HANGTAG_REDIS__URL")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("READONLY You can't write against a read only replica.", "is a replica or has lost its primary"),
        ("MASTERDOWN Link with MASTER is down", "is a replica or has lost its primary"),
        ("LOADING Redis is loading the dataset in memory", "is loading its data"),
        ("MOVED 3999 127.0.0.1:6381", "does not serve all slots of its cluster"),
        ("CLUSTERDOWN The cluster is down", "does not serve all slots of its cluster"),
    ],
)
def test_after_a_failover_another_connection_is_tried_and_the_error_says_why(reply: str, message: str) -> None:
    cause = BaseParser.parse_error(reply)
    error = store_error("cache:6379", cause)

    assert is_elsewhere(cause)
    assert type(error) is StoreError
    assert f"the store at cache:6379 {message}" in str(error)


@pytest.mark.parametrize(
    "reply",
    [
        "NOPERM User worker has no permissions to run the 'mget' command",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "NOAUTH Authentication required.",
        "ERR ACL failure in script: User worker has no permissions to run the 'set' command",
        "ERR Error running script (call to f_1): @user_script:1: The user executing the script can't run this command",
    ],
)
def test_a_denied_command_is_named_as_such_also_in_a_script(reply: str) -> None:
    cause = BaseParser.parse_error(reply)

    assert not is_elsewhere(cause)
    assert type(store_error("cache:6379", cause)) is StoreDeniedError


def test_meta_that_fits_or_is_empty() -> None:
    identity = b"0f" * 16

    assert read_meta([b"2", b"64", identity, None, None], 64, "cache:6379") == StoreState("0f" * 16)
    assert read_meta([b"2", b"64", identity, b"17", b"1e"], 64, "cache:6379") == StoreState("0f" * 16, 17, "1e")
    assert not read_meta([None] * 5, 64, "cache:6379").is_claimed


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ((b"2", b"32"), "HANGTAG_REDIS__BUCKETS=32"),
        ((b"3", b"64"), "has format 3.*run the release that wrote it"),
        ((b"1", b"64"), "has format 1.*hangtag rebuild"),
    ],
)
def test_meta_that_does_not_fit_says_what_to_do(found: tuple[bytes, bytes], message: str) -> None:
    with pytest.raises(StoreMismatchError, match=message) as caught:
        read_meta([*found, None, None, None], 64, "cache:6379")

    assert isinstance(caught.value, StoreError)
