"""Lines of a shop's feed, as `hangtag publish` and `hangtag demo` read them."""

from hangtag.cli.feed_lines import LineError, event_of, version_of
from hangtag.text.limits import MAX_ID_BYTES
from tests.fuzz.contract import refused, require
from tests.fuzz.targets import events

SEEDS = (
    *events.SEEDS,
    b'{"product_id":"sku-1","title":"Red scarf","lang":"en","type":"scarf","time":"soon","product":"x"}',
    b'{"id":1,"product_id":7,"price":1e400}',
    b'{"product":{"product_id":"sku-1"},"product_id":"sku-2"}',
)


def target(data: bytes) -> str:
    """Read one line."""
    try:
        event = event_of(data, 7)
    except LineError as error:
        return refused(error, data)
    require(1 <= len(event.product.product_id.encode()) <= MAX_ID_BYTES, "the id is empty or too long")
    require(version_of(event) or event.HasField("time"), "an event without a version")
    return "event"
