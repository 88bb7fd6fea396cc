"""How requests of look-ups are read."""

from hypothesis import example, given
from hypothesis import strategies as st

from hangtag.server.errors import CallError
from hangtag.server.look_up import parse_get
from hangtag.server.wire import varint

# Field 15, which the requests do not have; as text it is valid.
_UNKNOWN_FIELD = b"\x7a\x00"


@given(st.one_of(st.binary(max_size=300), st.text(max_size=140).map(str.encode)))
@example(b"x" * 127)
@example(b"x" * 128)
@example(b"x" * 257)
@example(b"")
@example(b"a\xff")
@example("\ud800".encode(errors="surrogatepass"))
def test_a_request_of_an_id_alone_is_read_like_any_other(utf8: bytes) -> None:
    """With the same errors. One with a further field is never read without a message."""
    raw = b"\x0a" + varint(len(utf8)) + utf8

    def outcome(raw: bytes) -> tuple[object, ...]:
        try:
            look_up = parse_get(raw)
        except CallError as error:
            return error.reason, str(error)
        return look_up.ids, look_up.utf8, look_up.min_versions, look_up.wait_version, look_up.tag_filter

    assert outcome(raw) == outcome(raw + _UNKNOWN_FIELD)
