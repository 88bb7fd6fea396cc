"""What a shop sends along with a product and no tag depends on: checked, and carried along as it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from hangtag.records.json_event import VALIDATE, EventError
from hangtag.records.quoted import quoted
from hangtag.text.limits import (
    MAX_ATTRIBUTE_BYTES,
    MAX_ATTRIBUTE_NAME_BYTES,
    MAX_ATTRIBUTES,
    MAX_IMAGES,
    MAX_SHOP_ID_BYTES,
    MAX_URL_BYTES,
)
from hangtag.v1 import events_pb2, texts_pb2

_CURRENCY = re.compile("[A-Z]{3}")
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")

_Message = events_pb2.Product | texts_pb2.ProductText


@dataclass(frozen=True, slots=True)
class ShopFields:
    """See the fields of `hangtag.v1.Product`. `price` is the currency and the amount in decimal."""

    shop_id: str = ""
    url: str = ""
    image_urls: tuple[str, ...] = ()
    price: tuple[str, str] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, message: _Message) -> Self:
        """The fields of a product, as they are."""
        price = (message.price.currency, message.price.amount) if message.HasField("price") else None
        return cls(message.shop_id, message.url, tuple(message.image_urls), price, dict(message.attributes))

    def put_into(self, message: _Message) -> None:
        """Set the fields of a product."""
        message.shop_id, message.url = self.shop_id, self.url
        message.image_urls.extend(self.image_urls)
        if self.price is not None:
            message.price.currency, message.price.amount = self.price
        message.attributes.update(self.attributes)


NO_FIELDS = ShopFields()


def checked_fields(product: events_pb2.Product) -> ShopFields:
    """The fields of a product in an event.

    Raises:
        EventError: one is too long, or there are too many, or a price is none. The message quotes no text of the shop.
    """
    has_price = product.HasField("price")
    if not (product.shop_id or product.url or product.image_urls or has_price or product.attributes):
        return NO_FIELDS
    found = ShopFields.of(product)
    _check_size("product.shop_id", found.shop_id, MAX_SHOP_ID_BYTES)
    _check_size("product.url", found.url, MAX_URL_BYTES)
    _check_count("product.image_urls", len(found.image_urls), MAX_IMAGES)
    for place, url in enumerate(found.image_urls):
        _check_size(f"product.image_urls[{place}]", url, MAX_URL_BYTES)
    _check_price(found.price)
    _check_count("product.attributes", len(found.attributes), MAX_ATTRIBUTES)
    for name, value in found.attributes.items():
        if not name:
            raise EventError(VALIDATE, "a name in product.attributes is empty; leave the attribute out")
        _check_size("a name in product.attributes", name, MAX_ATTRIBUTE_NAME_BYTES)
        _check_size("a value in product.attributes", value, MAX_ATTRIBUTE_BYTES)
    return found


def _check_size(name: str, text: str, most: int) -> None:
    if len(text) > most // 4 and (size := len(text.encode())) > most:
        raise EventError(VALIDATE, f"{name} has {size} bytes, the maximum is {most}; shorten it or leave it out")


def _check_count(name: str, count: int, most: int) -> None:
    if count > most:
        raise EventError(VALIDATE, f"{name} has {count} entries, the maximum is {most}; send the most important ones")


def _check_price(price: tuple[str, str] | None) -> None:
    if price is None:
        return
    currency, amount = price
    if not _CURRENCY.fullmatch(currency):
        reason = "product.price.currency must be an ISO 4217 code such as EUR"
        raise EventError(VALIDATE, f"{reason}, not {quoted(currency)}")
    if not _AMOUNT.fullmatch(amount):
        reason = "product.price.amount must be a decimal number such as 19.99, with up to 15 digits before the point"
        raise EventError(VALIDATE, f"{reason} and 6 behind it, not {quoted(amount)}")
