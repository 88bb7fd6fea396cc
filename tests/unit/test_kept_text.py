"""Texts of products as records of `products.texts`, and the shop's fields in events."""

import pytest

from hangtag.records import EventError, KeptText, Partition, Record, ShopFields, decode_event
from hangtag.text.product_text import CleanedFields
from hangtag.text.text_hash import text_hash
from hangtag.v1 import events_pb2
from hangtag.write import TextRecordError, kept_text_of, text_record_of

BINARY = [("content-type", b"application/x-protobuf")]
SHOP = ShopFields("s1", "https://x", ("https://x/1.jpg",), ("EUR", "19.99"), {"material": "wool"})


def kept(title: str = "red scarf", category: str = "", shop: ShopFields = SHOP) -> KeptText:
    fields = CleanedFields.of(title, "180 cm", category)
    return KeptText("sku-1", 7, fields, "en", shop, text_hash(fields.text, "en"))


def record(key, value, headers=()) -> Record:
    return Record(Partition("products.texts", 0), 0, 0, key, value, tuple(headers))


@pytest.mark.parametrize(
    "text",
    [
        kept(),
        kept("", "Scarves"),
        kept("red | blue", "Scarves | wool"),
        kept("&amp;lt;b&amp;gt; tag", shop=ShopFields()),
        KeptText.deletion("sku-1", 7),
    ],
)
def test_a_text_comes_back_as_it_was_tagged(text):
    assert kept_text_of(record(*text_record_of(text))) == text


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (record(None, b""), "0 bytes"),
        (record(b"k" * 300, b""), "300 bytes"),
        (record(b"sku-1", b"\xff"), "not a serialised"),
        (record(b"sku-1", b""), "no text"),
        (record(b"sku-1", None), "cannot be read"),
        (record(b"sku-1", None, [("hangtag.version", b"-1")]), "version is -1"),
        (record(b"sku-2", text_record_of(kept()).value), "about the product 'sku-1'"),
    ],
)
def test_what_hangtag_did_not_write_is_refused(found, reason):
    with pytest.raises(TextRecordError, match=reason):
        kept_text_of(found)


def product(**fields) -> bytes:
    message = events_pb2.Product(product_id="sku-1", version=7, title="red scarf", **fields)
    return events_pb2.ProductEvent(product=message).SerializeToString()


def test_fields_of_the_shop_are_the_same_in_json_and_protobuf():
    json = (
        b'{"product": {"productId": "sku-1", "version": 7, "title": "red scarf", "shopId": "s1", "url": "https://x", '
        b'"imageUrls": ["https://x/1.jpg"], "price": {"currency": "EUR", "amount": 19.99}, '
        b'"attributes": {"material": "wool"}}}'
    )
    binary = product(
        shop_id="s1",
        url="https://x",
        image_urls=["https://x/1.jpg"],
        price=events_pb2.Price(currency="EUR", amount="19.99"),
        attributes={"material": "wool"},
    )

    assert decode_event(json, None, (), 1, 1 << 20).shop == SHOP
    assert decode_event(binary, None, BINARY, 1, 1 << 20).shop == SHOP


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"shop_id": "s" * 257}, "shop_id has 257 bytes, the maximum is 256"),
        ({"url": "\u00fc" * 1_025}, "url has 2050 bytes"),
        ({"image_urls": ["https://x"] * 21}, "image_urls has 21 entries, the maximum is 20"),
        ({"image_urls": ["ok", "x" * 2_049]}, r"image_urls\[1\] has 2049 bytes"),
        ({"price": events_pb2.Price(amount="1")}, "currency must be an ISO 4217 code"),
        ({"price": events_pb2.Price(currency="eur", amount="1")}, "not 'eur'"),
        ({"price": events_pb2.Price(currency="EUR", amount="1,50")}, "amount must be a decimal number"),
        ({"price": events_pb2.Price(currency="EUR", amount="-1")}, "amount must be a decimal number"),
        ({"attributes": {str(number): "x" for number in range(65)}}, "attributes has 65 entries"),
        ({"attributes": {"": "x"}}, "a name in product.attributes is empty"),
        ({"attributes": {"n" * 129: "x"}}, "a name in product.attributes has 129 bytes"),
        ({"attributes": {"n": "x" * 1_025}}, "a value in product.attributes has 1025 bytes"),
    ],
)
def test_a_field_that_is_not_what_it_must_be_is_refused_with_what_to_do(fields, reason):
    value = product(**fields)

    with pytest.raises(EventError, match=reason):
        decode_event(value, None, BINARY, 1, 1 << 20)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (b'"image_urls": "https://x"', "image_urls must be a list of strings"),
        (b'"image_urls": [1]', "image_urls must be a list of strings"),
        (b'"price": "19.99 EUR"', "price must be an object such as"),
        (b'"price": {"currency": "EUR", "amount": true}', "amount must be a string"),
        (b'"attributes": {"sizes": ["s", "m"]}', "attributes must be an object of strings"),
        (b'"shop_id": 7', "shop_id must be a string"),
    ],
)
def test_a_field_of_another_type_is_refused(field, reason):
    value = b'{"product": {"product_id": "sku-1", "version": 7, "title": "red scarf", ' + field + b"}}"

    with pytest.raises(EventError, match=reason):
        decode_event(value, None, (), 1, 1 << 20)
