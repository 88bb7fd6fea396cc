"""Filters that people type: read with the starter's tags, and written again."""

from hangtag.bundle import read_schema
from hangtag.filters import MAX_CHARS, MAX_TAGS, FilterError, Vocabulary, format_filter, parse_filter
from tests.fuzz.contract import refused, require

_VOCABULARY = Vocabulary.of(read_schema())

# The first byte says whether names are checked.
SEEDS = tuple(
    text.encode()
    for text in (
        "\x00class:[boots,shoes] AND color:red NOT audience:men",
        '\x01class:"computer/video game software" color:[red OR blue] -audience:men',
        "\x01color:rde",
        "\x01colour:red",
        '\x00a:"b\\"c\\\\" a:b:c [a:b,c:d]',
        '\x00a:"b',
        "\x00a:[b",
        "\x00a:b\\",
        "\x00AND OR NOT - NOT",
        "\x00" + "a:[" + "b," * 300,
        "\x00" + "-" * 50 + "[" * 50,
        "\x01class:" + "\u00e9" * 300,
        "\x01",
    )
)


def target(data: bytes) -> str:
    """A filter is a query that can be written again, or an error with a place in it."""
    text = data[1:].decode("utf-8", "replace")
    try:
        query = parse_filter(text, _VOCABULARY if data[:1] == b"\x01" else None)
    except FilterError as error:
        require(1 <= error.position <= len(text) + 1, f"position {error.position} of {len(text)} characters")
        return refused(error, text.encode())
    count = len(query.all_of) + len(query.none_of) + sum(len(group.tags) for group in query.any_of)
    require(count <= MAX_TAGS, f"{count} tags")
    try:
        written = format_filter(query)
    except ValueError:
        require(len(text) > MAX_CHARS // 4, "a short filter cannot be written again")
        return "too long"
    require(parse_filter(written) == query, "what is written is read as another query")
    return f"{bool(query.all_of)} {bool(query.any_of)} {bool(query.none_of)}"
