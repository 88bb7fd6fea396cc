"""Where the next page of products begins, as text that callers send back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from struct import Struct, error
from typing import NamedTuple, Self
from zlib import crc32

from hangtag.index.errors import QueryError
from hangtag.v1 import tags_pb2

_FORMAT = 1
# Format, hash of the request, score, number of the product; then its id, then the checksum of all of it.
_HEAD = Struct(">B8sqI")
_CHECKSUM = Struct(">I")


class PageToken(NamedTuple):
    """The last product of the page before: its score in steps, its number, and its id.

    The id counts where the index has numbered the products anew.
    """

    score: int
    number: int
    product_id: str

    def text(self, request: tags_pb2.FindProductsRequest) -> str:
        """The token for the page after that of a request."""
        body = _HEAD.pack(_FORMAT, _hash(request), self.score, self.number) + self.product_id.encode()
        return urlsafe_b64encode(body + _CHECKSUM.pack(crc32(body))).decode().rstrip("=")

    @classmethod
    def of(cls, request: tags_pb2.FindProductsRequest) -> Self:
        """The token of a request.

        Raises:
            QueryError: it is none, or belongs to another request.
        """
        text = request.page_token
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
            body, (checksum,) = raw[: -_CHECKSUM.size], _CHECKSUM.unpack(raw[-_CHECKSUM.size :])
            form, request_hash, score, number = _HEAD.unpack_from(body)
            product_id = body[_HEAD.size :].decode()
        except (ValueError, error) as cause:
            raise QueryError(_NOT_OURS) from cause
        if form != _FORMAT or checksum != crc32(body):
            raise QueryError(_NOT_OURS)
        if request_hash != _hash(request):
            msg = (
                "page_token belongs to another request; send it with the request that returned it, or begin without it"
            )
            raise QueryError(msg)
        return cls(score, number, product_id)


_NOT_OURS = "page_token is not a next_page_token of this service; send one as it was returned, or begin without it"


def _hash(request: tags_pb2.FindProductsRequest) -> bytes:
    """What makes pages those of one request: which products, and in which order."""
    same = tags_pb2.FindProductsRequest(query=request.query, base=request.base, boosts=request.boosts)
    return blake2b(same.SerializeToString(deterministic=True), digest_size=8).digest()
