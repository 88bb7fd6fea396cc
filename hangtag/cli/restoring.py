"""Puts the pointers back into the store, as a part of `hangtag rebuild`."""

from collections.abc import Callable

from hangtag.models import ModelsTopicError, restore_pointers
from hangtag.settings import Settings


def restore(settings: Settings, warn: Callable[[str], None]) -> None:
    """Tell the store which bundles are in use. Where no models were ever promoted there need be no topic.

    Raises:
        StoreError: the store does not answer.
    """
    try:
        restore_pointers(settings.kafka, settings.redis)
    except ModelsTopicError as error:
        if settings.models.store is not None:
            warn(f"{error}. Programs that follow the pointer put it into the store once they can read the topic")
