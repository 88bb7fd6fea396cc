"""Tags pieces, one after the other: what an actor does."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from hangtag.cli.errors import CommandError
from hangtag.cli.retag.on_ray.fragments import Counts, Fragments, Tagged
from hangtag.cli.retag.on_ray.pieces import ParquetFiles, Piece
from hangtag.models import Pointer
from hangtag.records import TaggedProduct, encode_tags
from hangtag.settings import ModelSettings, ModelsSettings, Settings, WorkerSettings
from hangtag.tagger.bulk import BulkTagger
from hangtag.tagger.isolate import Failure
from hangtag.telemetry.clock import SystemClock
from hangtag.workers.retag import SourceText


@dataclass(frozen=True, slots=True)
class Task:
    """What to tag with what, for every machine of the cluster: no secrets, and no connections.

    `pointer` names the bundle, which each machine fetches from `models.store`; None: it is `model.bundle`, a folder
    that every machine has. Tags in `blocked` are not given.
    """

    files: ParquetFiles
    to: str
    model: ModelSettings
    models: ModelsSettings
    worker: WorkerSettings
    pointer: Pointer | None
    blocked: tuple[str, ...]


class PieceTagger:
    """A tagger with what it tags and where it writes. One thread calls it.

    Raises:
        CommandError: the bundle cannot be used on this machine.
    """

    def __init__(self, task: Task) -> None:
        self._files, self._fragments = task.files, Fragments(task.to)
        self._worker, self._clock = task.worker, SystemClock()
        self._tagger = _tagger_of(task)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """What Ray Data calls: columns of a batch of pieces in, columns of their counts out."""
        pieces = [Piece(*fields) for fields in zip(*(batch[name].tolist() for name in Piece._fields), strict=True)]
        found = [self.tag(piece) for piece in pieces]
        return {name: [getattr(counts, name) for counts in found] for name in Counts._fields}

    def tag(self, piece: Piece) -> Counts:
        """Tag a piece and write its fragment.

        Raises:
            CommandError: the file cannot be read, or the fragment cannot be written.
            FaultError: the engine fails for any text.
        """
        rows: list[Tagged] = []
        failed = unreadable = 0

        def items() -> Any:
            nonlocal unreadable
            for text in self._files.texts(piece):
                if text is None:
                    unreadable += 1
                else:
                    yield text, text.text

        with closing(BulkTagger(self._tagger, self._worker)(items())) as results:
            for text, found in results:
                if isinstance(found, Failure):
                    failed += 1
                else:
                    rows.append(self._row(text, found.tags))
        counts = Counts(len(rows), failed, unreadable)
        self._fragments.write(piece.name, rows, counts)
        return counts

    def close(self) -> None:
        """Free what the tagger holds."""
        self._tagger.close()
        self._tagger.engine.close()

    def _row(self, text: SourceText, tags: Any) -> Tagged:
        product = TaggedProduct(
            text.product_id, text.version or 0, tags, self._tagger.bundle.version, self._clock.wall_ms()
        )
        return Tagged(text.product_id, text.version, text.text_hash, encode_tags(product))


def _tagger_of(task: Task) -> Any:
    # Here, so that the machine that starts the job need not load the engine's runtime.
    from hangtag.following.errors import RefusedError  # noqa: PLC0415
    from hangtag.following.loader import Loader  # noqa: PLC0415
    from hangtag.models import LocalModels  # noqa: PLC0415
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415

    if task.pointer is None:
        return open_tagger(task.model, in_bulk=True).with_blocked(task.blocked)
    settings = Settings().model_copy(update={"model": task.model, "models": task.models})
    try:
        loaded = Loader(settings, LocalModels(task.models.cache_dir), in_bulk=True).load(task.pointer)
    except RefusedError as error:
        raise CommandError(str(error)) from error
    return loaded.with_blocked(task.blocked)
