"""Which release tags again."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from hangtag.cli.errors import CommandError
from hangtag.settings import Settings

if TYPE_CHECKING:  # these load the engine's runtime, kafka-python and redis-py
    from hangtag.models import Pointer
    from hangtag.tagger.release import Release
    from hangtag.tags.schema import TagSchema

_LOOK_EVERY_S = 5.0


def pointer_of(settings: Settings) -> "Pointer | None":
    """The pointer of the route that is followed; None: nothing was ever promoted.

    Raises:
        StoreError, ModelsTopicError: neither the store nor the topic can be asked.
    """
    from hangtag.models import ModelsTopic, PointerRecord  # noqa: PLC0415

    with PointerRecord(settings.redis) as record:
        found = record.read(settings.models.route)
    return found or ModelsTopic(settings.kafka).read().current(settings.models.route)


def blocking_schema(settings: Settings, pointer: "Pointer") -> "TagSchema | None":
    """The schema of the pointer's bundle with the tags that are blocked; None if none is.

    Raises:
        ShelfError, LocalModelsError, BundleError: the bundle cannot be fetched or read.
    """
    from hangtag.bundle import read_schema  # noqa: PLC0415
    from hangtag.models import LocalModels, Shelf  # noqa: PLC0415

    if not pointer.blocked:
        return None
    models = settings.models
    bundle = (
        settings.model.bundle
        if models.store is None
        else LocalModels(models.cache_dir).get(pointer.bundle_version, Shelf(models.store))
    )
    return read_schema(bundle).model_copy(update={"blocked": pointer.blocked})


@contextmanager
def open_release(settings: Settings, sequence: int | None, *, is_own: bool) -> "Iterator[Release]":
    """The release that the pointer names; with `is_own`, the bundle of `settings.model`, under `sequence` (0).

    Raises:
        CommandError: the bundle of the pointer cannot be used here.
        BundleError, EngineError, FaultError: the bundle of `settings.model` cannot be opened.
    """
    from hangtag.following.errors import RefusedError  # noqa: PLC0415
    from hangtag.following.start import open_following  # noqa: PLC0415
    from hangtag.tagger.release import Release  # noqa: PLC0415

    with ExitStack() as stack:
        try:
            following = open_following(settings, in_bulk=True, own_bundle=is_own)
        except RefusedError as error:
            raise CommandError(str(error)) from error
        stack.callback(following.close)
        release = following.in_use.current
        if settings.models.store is None:
            stack.callback(release.tagger.close)
        if is_own or settings.models.store is None:
            yield Release(release.tagger, sequence or 0, release.blocked_sequence)
            return
        pointer = pointer_of(settings)
        if pointer is not None and pointer.sequence != release.sequence:
            msg = (
                f"bundle {pointer.bundle_version[:12]} (sequence {pointer.sequence}) is in use, and cannot be used on "
                f"this machine: {following.details()}"
            )
            raise CommandError(msg)
        yield release


class StillInUse:
    """Ends a re-tag whose release is not the one in use any more: what it writes would be replaced by nobody."""

    def __init__(self, settings: Settings, release: "Release") -> None:
        self._settings = settings
        self._release = release
        self._looked_s = time.monotonic()

    def check(self) -> None:
        """Look, but not too often.

        Raises:
            CommandError: another release is in use by now.
            StoreError, ModelsTopicError: neither the store nor the topic can be asked.
        """
        now = time.monotonic()
        if not self._release.sequence or now - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now
        pointer = pointer_of(self._settings)
        if pointer is not None and pointer.sequence > self._release.sequence:
            msg = (
                f"bundle {pointer.bundle_version[:12]} (sequence {pointer.sequence}) is in use by now, so this re-tag "
                "has ended: `hangtag retag undo` puts the replaced tags back, or make it final with `hangtag retag "
                "finalize` and run `hangtag retag` again"
            )
            raise CommandError(msg)
