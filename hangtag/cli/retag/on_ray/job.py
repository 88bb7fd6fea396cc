"""A re-tag on Ray: pieces of Parquet files become fragments, on every device of the cluster."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from hangtag.bundle import STARTER, read_manifest, read_schema
from hangtag.cli.errors import CommandError
from hangtag.cli.retag.on_ray.cluster import cluster, devices
from hangtag.cli.retag.on_ray.fragments import Fragments, Made
from hangtag.cli.retag.on_ray.piece_tagger import PieceTagger, Task
from hangtag.cli.retag.on_ray.pieces import ROWS_A_PIECE, ParquetFiles, Piece
from hangtag.cli.retag.release import pointer_of
from hangtag.models import LocalModels, Pointer, Shelf
from hangtag.settings import Settings


@dataclass(slots=True)
class RayRetag:
    """One re-tag on Ray. One thread calls it.

    Attributes:
        task: what is tagged with what.
        made: the same as the folder of the fragments states it.
        total: number of fragments; `there` of them were there before this run, `written` are written by it.
        tagged, failed, unreadable: products of this run, texts that cannot be tagged, and rows that hold none.
        actors: how many tag at a time.
    """

    task: Task
    made: Made
    pieces: list[Piece]
    there: int = 0
    written: int = 0
    tagged: int = 0
    failed: int = 0
    unreadable: int = 0
    actors: int = 0

    @property
    def total(self) -> int:
        """How many fragments there will be."""
        return len(self.pieces)

    def run(self, show: Callable[[], None], *, restart: bool = False) -> None:
        """Write the fragments that are not there yet. `show` is called after each.

        Raises:
            CommandError: a file, the folder or the cluster cannot be used; the message says what to do.
        """
        there = Fragments(self.task.to).begin(self.made, restart=restart)
        todo = [piece for piece in self.pieces if piece.name not in there]
        self.there = self.total - len(todo)
        if not todo:
            return
        with cluster() as ray:
            try:
                for counts in self._counts(ray, todo):
                    self.written += 1
                    self.tagged += counts["tagged"]
                    self.failed += counts["failed"]
                    self.unreadable += counts["unreadable"]
                    show()
            except ray.exceptions.RayError as error:
                raise _reason(error) from error

    def _counts(self, ray: Any, todo: list[Piece]) -> Iterator[dict[str, int]]:
        from ray import data  # noqa: PLC0415 (slow to load)

        on = devices(ray.nodes(), self.task.model.engine)
        self.actors = min(on.actors, len(todo))
        task = self.task
        if task.model.threads is None:
            model = task.model.model_copy(update={"threads": on.cores})
            task = replace(task, model=model)
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        # A block for each piece: it is what is given to an actor, and again to another one if the actor is lost.
        pieces = data.from_items([piece._asdict() for piece in todo], override_num_blocks=len(todo))
        counts = pieces.map_batches(
            PieceTagger,
            batch_size=1,
            batch_format="numpy",
            fn_constructor_args=(task,),
            compute=data.ActorPoolStrategy(size=self.actors),
            num_cpus=on.cores,
            num_gpus=on.gpus,
        )
        yield from counts.iter_rows()


def plan(
    settings: Settings,
    source: str,
    to: str,
    columns: Any,
    sequence: int | None,
    *,
    is_own: bool,
    rows_a_piece: int = ROWS_A_PIECE,
) -> RayRetag:
    """The re-tag of these files with the release in use, or, with `is_own`, with the bundle of `settings.model`.

    Raises:
        CommandError: the files cannot be read.
        StoreError, ModelsTopicError: it is not known which bundle is in use.
        ShelfError, LocalModelsError, BundleError: the bundle cannot be fetched or read.
    """
    pointer = None if settings.models.store is None else pointer_of(settings)
    uses_pointer = pointer is not None and not is_own
    bundle = _fetched(settings, pointer) if pointer is not None and uses_pointer else _own(settings)
    blocked = () if pointer is None else pointer.blocked
    files = ParquetFiles(source, columns)
    pieces, footers = files.pieces(rows_a_piece)
    made = Made(
        bundle_version=read_manifest(bundle).version,
        sequence=pointer.sequence if pointer is not None and uses_pointer else sequence or 0,
        blocked_sequence=0 if pointer is None else pointer.blocked_sequence,
        tag_schema=read_schema(bundle).with_blocked(blocked),
        files=footers,
        columns=columns.model_dump(mode="json"),
        fragments=len(pieces),
    )
    # The salt of pseudonyms is of no use there.
    models = settings.models.model_copy(update={"actor_salt": SecretStr("")})
    task = Task(files, to, settings.model, models, settings.worker, pointer if uses_pointer else None, blocked)
    return RayRetag(task, made, pieces)


def _fetched(settings: Settings, pointer: Pointer) -> Path:
    assert settings.models.store is not None
    return LocalModels(settings.models.cache_dir).get(pointer.bundle_version, Shelf(settings.models.store))


def _own(settings: Settings) -> Path:
    return STARTER if settings.model.bundle == "starter" else Path(settings.model.bundle)


def _reason(error: BaseException) -> CommandError:
    """What went wrong on a machine of the cluster. Other errors than ours may quote texts of products."""
    found: BaseException | None = error
    while found is not None:
        cause = getattr(found, "cause", None) or found.__cause__
        if cause is None:
            break
        found = cause
        if isinstance(found, CommandError):
            return CommandError(f"{found}. Then run the same command again: it goes on where it stopped")
    msg = (
        f"a machine of the cluster failed with {type(found).__name__}; Ray's logs say more "
        "(/tmp/ray/session_latest/logs). Run the same command again: it goes on where it stopped"
    )
    return CommandError(msg)
