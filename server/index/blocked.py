"""Tags that are blocked leave the index at once, whether their products are tagged again or not."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import ExitStack

from hangtag.models import ModelsTopic, Pointer, PointerRecord, PointerWatch
from hangtag.settings import Settings


def follow_blocked(settings: Settings, block: Callable[[AbstractSet[str]], None], stack: ExitStack) -> None:
    """Call `block` with all tags that are blocked, now and after each change, until the stack is closed.

    Without `models.store` nothing is followed. What cannot be read is logged, and asked for again.

    Raises:
        StoreMismatchError: the URL of the store cannot be read.
    """
    models = settings.models
    if models.store is None:
        return

    def on_pointer(pointer: Pointer) -> None:
        block(frozenset(pointer.blocked))

    record = PointerRecord(settings.redis)
    stack.callback(record.close)
    watch = PointerWatch(record, ModelsTopic(settings.kafka), on_pointer, route=models.route, poll_s=models.poll_s)
    if (pointer := watch.poll()) is not None:
        on_pointer(pointer)
    watch.start()
    stack.callback(watch.stop)
