"""Limits of a product's fields, checked at every boundary: events, requests and stored values."""

# Of a product's id in UTF-8.
MAX_ID_BYTES = 256
# The largest int64, the type of a version in the protos. Stored as 8 bytes, versions sort in order up to it.
MAX_VERSION = 2**63 - 1
# Characters of a text as it was sent, markup included, that are read; bounds the time and memory of cleaning it.
MAX_RAW_CHARS = 1 << 20
# Characters of a cleaned text; the rest is left out.
MAX_TITLE_CHARS = 1_000
MAX_CATEGORY_CHARS = 500
MAX_DESCRIPTION_CHARS = 8_000
# What a shop sends along with a product; bytes of UTF-8.
MAX_SHOP_ID_BYTES = 256
MAX_URL_BYTES = 2_048
MAX_IMAGES = 20
MAX_ATTRIBUTES = 64
MAX_ATTRIBUTE_NAME_BYTES = 128
MAX_ATTRIBUTE_BYTES = 1_024
