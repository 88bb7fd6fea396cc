"""Which tags are blocked, from the decisions about bundles."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager

from hangtag.settings import Settings


@contextmanager
def following_blocked_tags(settings: Settings, block: Callable[[Collection[str]], None]) -> Iterator[None]:
    """Within the block, `block` gets the tags that are blocked: before the block begins, and whenever they change.

    Without `models.store` nobody decides about that while programs run, and a bundle gives no tag that it blocks.
    """
    if settings.models.store is None:
        yield
        return
    # It loads what reads bundles, which costs memory.
    from hangtag.models import ModelsTopic, PointerRecord, PointerWatch  # noqa: PLC0415

    with ExitStack() as stack:
        record = PointerRecord(settings.redis)
        stack.callback(record.close)
        watch = PointerWatch(
            record,
            ModelsTopic(settings.kafka),
            lambda pointer: block(pointer.blocked),
            route=settings.models.route,
            poll_s=settings.models.poll_s,
        )
        pointer = watch.poll()
        if pointer is not None:
            block(pointer.blocked)
        watch.start()
        stack.callback(watch.stop)
        yield
