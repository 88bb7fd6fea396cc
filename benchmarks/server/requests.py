"""The requests of each kind of call, serialised."""

from collections.abc import Callable
from itertools import cycle, islice

from hangtag.v1 import tags_pb2

PRODUCTS = 20_000
SERVICE = "/hangtag.v1.TagService"
# Prime, so that calls of any size go through all products.
_STEP = 7_919
_WORDS = ("red", "wool", "scarf", "summer", "dress", "boots", "leather", "kids", "navy", "cotton", "jacket", "cup")


def product_id(number: int) -> str:
    """The id of one of the stored products."""
    return f"sku-{number % PRODUCTS:07}"


def _ids(start: int, count: int) -> list[str]:
    return [product_id((start * count + place) * _STEP) for place in range(count)]


def _single(number: int) -> bytes:
    return tags_pb2.GetProductTagsRequest(product_id=product_id(number * _STEP)).SerializeToString()


def _batch(count: int) -> Callable[[int], bytes]:
    def build(number: int) -> bytes:
        return tags_pb2.BatchGetProductTagsRequest(product_ids=_ids(number, count)).SerializeToString()

    return build


def _words(number: int, count: int) -> str:
    return " ".join(islice(cycle((*_WORDS[number % len(_WORDS) :], str(number))), count))


def _short_text(number: int) -> bytes:
    return tags_pb2.SuggestTagsRequest(text=_words(number, 4)).SerializeToString()


def _long_text(number: int) -> bytes:
    return tags_pb2.SuggestTagsRequest(text="scarf", description=_words(number, 900)).SerializeToString()


# Kind of call: the method, one request, how many different ones there are, and how many products or texts one has.
KINDS: dict[str, tuple[str, Callable[[int], bytes], int, int]] = {
    "single": ("GetProductTags", _single, PRODUCTS, 1),
    "batch100": ("BatchGetProductTags", _batch(100), PRODUCTS // 100, 100),
    "batch1000": ("BatchGetProductTags", _batch(1_000), PRODUCTS // 1_000, 1_000),
    "short_text": ("SuggestTags", _short_text, 5_000, 1),
    "long_text": ("SuggestTags", _long_text, 2_000, 1),
}
