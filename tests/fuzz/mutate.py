"""Random changes to an input: of bytes, of pieces, and with what decoders often get wrong."""

import random
from collections.abc import Sequence

MAX_BYTES = 1 << 16

_NUMBERS = (b"-1", b"-0", b"1e400", b"NaN", b"9223372036854775808", b"18446744073709551616", b"0.1", b"9" * 5_000)
_JSON = (
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\\u0000"',
    b'{"a":1,"a":2}',
    b"[" * 300,
)
_BINARY = (
    b"\x00",
    b"\xff" * 8,
    b"\x80",
    b"\xff\xff\xff\xff\x0f",
    b"\x0b",
    b"\x0c",
    b"\x0a\x02\xff\xfe",
    b"\x1f\x8b\x08",
)
_MARKUP = (
    b"<",
    b">",
    b"&",
    b";",
    b"<!--",
    b"-->",
    b"<script>",
    b"</script",
    b"<![CDATA[",
    b"]]>",
    b"&#x",
    b"&#9999999;",
    b"&lt;",
)
_UNICODE = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        "\u0301\u0323",
        "\u200d",
        "\u202e",
        "\ufdfa",
        "\u0130",
        "\u1fa7",
        "\ufeff",
        "\ud800",
        "\U000e0041",
        "\u3099\uff9e",
    )
)
_LAYOUT = (b'"', b",", b"\t", b"\r\n", b"\n", b"\\", b"=", b"__", b"[[", b"]]", b" " * 40)
DICTIONARY = (*_NUMBERS, *_JSON, *_BINARY, *_MARKUP, *_UNICODE, *_LAYOUT)


class Mutator:
    """Makes inputs of seeds; the same seed number gives the same inputs."""

    def __init__(self, seeds: Sequence[bytes], seed: int) -> None:
        self._seeds = list(seeds) or [b""]
        self._rng = random.Random(seed)

    def next(self) -> bytes:
        """A seed with one to eight changes."""
        data = self._rng.choice(self._seeds)
        for _ in range(self._rng.randint(1, 8)):
            data = self.change(data)
        return data[:MAX_BYTES]

    def change(self, data: bytes) -> bytes:
        """One change."""
        rng = self._rng
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 1, 1, 2, 4, 16, 64, len(data))))
        kind = rng.randrange(8)
        if kind == 0:
            middle = bytes([rng.randrange(256)])
        elif kind == 1:
            middle = b""
        elif kind in {2, 3}:
            middle = rng.choice(DICTIONARY)
        elif kind == 4:  # longer, so that what takes more than linear time shows
            middle = data[start:end] * min(rng.choice((2, 3, 50, 2_000)), 1 + MAX_BYTES // (end - start + 1))
        elif kind == 5:
            other = rng.choice(self._seeds)
            at = rng.randrange(len(other) + 1)
            middle = other[at : at + rng.randrange(64)]
        elif kind == 6:
            return data[:start]
        else:
            middle = data[start:end] + rng.randbytes(rng.randrange(1, 9))
        return (data[:start] + middle + data[end:])[:MAX_BYTES]
