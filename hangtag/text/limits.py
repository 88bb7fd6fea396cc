"""What the fields of a product may hold, at every boundary: events, requests and stored values."""

# UTF-8, of a product's id.
MAX_ID_BYTES = 256
# What eight bytes hold in order, and an int64 of the protos.
MAX_VERSION = 2**63 - 1
# Characters that count once a text is cleaned.
MAX_TITLE_CHARS = 1_000
MAX_CATEGORY_CHARS = 500
MAX_DESCRIPTION_CHARS = 8_000
