"""Which release tags again."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from hangtag.cli.errors import CommandError
from hangtag.settings import Settings

if TYPE_CHECKING:  # these load the engine's runtime, kafka-python and redis-py
    from hangtag.models import Pointer
    from hangtag.tagger.release import Release


def pointer_of(settings: Settings) -> "Pointer | None":
    """The pointer of the route that is followed; None: nothing was ever promoted.

    Raises:
        StoreError, ModelsTopicError: neither the store nor the topic can be asked.
    """
    from hangtag.models import ModelsTopic, PointerRecord  # noqa: PLC0415

    with PointerRecord(settings.redis) as record:
        found = record.read(settings.models.route)
    return found or ModelsTopic(settings.kafka).read().current(settings.models.route)


@contextmanager
def open_release(settings: Settings, sequence: int | None, *, is_own: bool) -> "Iterator[Release]":
    """The release that the pointer names; with `is_own`, the bundle of `settings.model` under `sequence` (0).

    Raises:
        CommandError: nothing was promoted.
        ShelfError, LocalModelsError, BundleError, EngineError: the bundle cannot be fetched or opened.
    """
    from hangtag.models import LocalModels, Shelf  # noqa: PLC0415
    from hangtag.tagger.release import Release  # noqa: PLC0415
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415

    model, place, blocked_sequence = settings.model, sequence or 0, 0
    if not is_own and settings.models.store is not None:
        pointer = pointer_of(settings)
        if pointer is None:
            msg = "no bundle was promoted yet: run `hangtag model promote`, or name one with --bundle"
            raise CommandError(msg)
        local = LocalModels(settings.models.cache_dir)
        path = local.get(pointer.bundle_version, Shelf(settings.models.store))
        model = model.model_copy(update={"bundle": str(path)})
        place, blocked_sequence = pointer.sequence, pointer.blocked_sequence
    with closing(open_tagger(model, in_bulk=True)) as tagger:
        yield Release(tagger, place, blocked_sequence)
