"""`hangtag retag run`, which is what `hangtag retag` runs by default."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hangtag.cli.errors import CommandError
from hangtag.cli.options import BundleName, ColumnNames, EngineName, JsonOutput

if TYPE_CHECKING:  # these load kafka-python, redis-py and the engine's runtime
    from hangtag.cli.progress import LiveStatus
    from hangtag.cli.retag.release import StillInUse
    from hangtag.settings import Settings
    from hangtag.tagger.release import Release
    from hangtag.workers.retag import Retagging, TextSource

_TEXTS, _EVENTS = "texts", "events"

_From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="SOURCE",
        help="texts: the topic products.texts. events: the topic products.events. Or a JSONL, CSV, TSV or Parquet "
        "file.",
    ),
]
_Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PART",
        help="Only products with a tag of a facet (color), with a tag (color:red), with tags to review (band:review), "
        "or with tags of a bundle (bundle:PREFIX). Repeatable: all must hold.",
    ),
]
_Create = Annotated[bool, typer.Option("--create", help="Also write products that the store does not hold.")]
_MaxPerS = Annotated[
    float, typer.Option("--max-per-s", metavar="N", min=0, help="Most texts tagged in a second; 0: no limit.")
]
_Sequence = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="With --bundle: its place in the order of releases. Default: 0, the first."),
]
_NoEncoder = Annotated[
    bool,
    typer.Option(
        "--no-encoder",
        help="Never run the model: what has no vector that the bundle can use is counted, and keeps its tags.",
    ),
]
_Restart = Annotated[bool, typer.Option("--restart", help="Begin with the first text, also if a re-tag was stopped.")]
_On = Annotated[
    Literal["ray"] | None,
    typer.Option(
        "--on",
        help="Tag the Parquet files of --from on the machines of a Ray cluster (RAY_ADDRESS; default: this machine) "
        "into the folder --to, which `hangtag rebuild --from` writes to the store.",
    ),
]
_To = Annotated[
    str | None, typer.Option("--to", metavar="FOLDER", help="With --on ray: folder or object store for the tags.")
]


def run(
    source: _From = _TEXTS,
    only: _Only = None,
    create: _Create = False,
    max_per_s: _MaxPerS = 0,
    bundle: BundleName = None,
    engine: EngineName = None,
    sequence: _Sequence = None,
    column: ColumnNames = None,
    no_encoder: _NoEncoder = False,
    restart: _Restart = False,
    on: _On = None,
    to: _To = None,
    as_json: JsonOutput = False,
) -> None:
    """Tag products again with the bundle in use, so that all have its tags.

    Workers and servers run meanwhile and go first. Tags of a newer version and people's decisions stay. What has tags
    of the bundle already is not computed again. Where vectors are kept (kafka.vectors_topic), a bundle with the same
    weights decides from them, many times as fast; the model runs for the rest. Ctrl-C stops the command, and the
    same command goes on. The replaced tags are kept until `hangtag retag finalize`; `hangtag retag undo` puts them
    back. The exit code is 1 if a text cannot be tagged.

    With --on ray nothing is stored yet: see `hangtag rebuild --from`.

    Example: hangtag retag --only band:review --max-per-s 200
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus  # noqa: PLC0415
    from hangtag.cli.retag.opened import opened  # noqa: PLC0415
    from hangtag.cli.retag.plan import run_of  # noqa: PLC0415
    from hangtag.cli.retag.printed import print_retagged  # noqa: PLC0415
    from hangtag.cli.retag.release import StillInUse, open_release  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.telemetry.clock import SystemClock  # noqa: PLC0415
    from hangtag.workers.retag import LivePace, Retagging, Selection, SelectionError  # noqa: PLC0415

    settings = settings_here()
    given = {name: value for name, value in (("bundle", bundle), ("engine", engine)) if value is not None}
    settings = settings.model_copy(update={"model": settings.model.model_copy(update=given)})
    _check_vectors(settings, source, no_encoder=no_encoder)
    if on is not None or to is not None:
        if on is None or to is None or source in (_TEXTS, _EVENTS) or only or create or max_per_s:
            msg = (
                "--on ray needs --from PARQUET and --to FOLDER, and knows neither --only, --create nor --max-per-s: "
                "what is stored is decided by `hangtag rebuild --from FOLDER`"
            )
            raise CommandError(msg)
        from hangtag.cli.retag.on_ray.command import retag_on_ray  # noqa: PLC0415

        retag_on_ray(
            settings, source, to, column or [], sequence, is_own=bundle is not None, restart=restart, as_json=as_json
        )
        return
    try:
        selection = Selection.of(only or ())
    except SelectionError as error:
        raise CommandError(str(error)) from error
    started = time.monotonic()
    work: Retagging | None = None
    try:
        with stopping(), ExitStack() as stack:
            parts = stack.enter_context(opened(settings, "hangtag retag"))
            release = stack.enter_context(open_release(settings, sequence, is_own=bundle is not None))
            made_of: dict[str, Any] = {"only": sorted(only or ()), "create": create}
            made_of |= {"no_encoder": True} if no_encoder else {}
            texts = _Texts(settings, source, column or [])
            found = run_of(parts, release, made_of | texts.made_of, restart=restart)
            parts.kept.run_id, parts.kept.creates = found.run_id, create
            opened_source = texts.open(stack, found.positions, release)
            in_use = StillInUse(settings, release)
            status = stack.enter_context(LiveStatus(make_console(stderr=True)))
            pace = LivePace(
                parts.progress, max_per_s, lambda behind: status.show(f"waiting: workers are {behind:,} records behind")
            )
            work = Retagging(
                opened_source,
                release,
                parts.kept,
                parts.store,
                parts.sink,
                found,
                selection,
                pace,
                SystemClock(),
                settings.worker,
                lambda: _show(status, opened_source, work, in_use, started),
                no_encoder=no_encoder,
                keeps_vectors=bool(settings.kafka.vectors_topic),
            )
            work.retag()
    except Stopped:
        typer.echo("stopped; run the same command again to go on", err=True)
        raise typer.Exit(130) from None
    assert work is not None
    print_retagged(work, time.monotonic() - started, as_json=as_json)
    if work.counts.failed:
        raise typer.Exit(1)


def _check_vectors(settings: "Settings", source: str, *, no_encoder: bool) -> None:
    if no_encoder and not (source == _TEXTS and settings.kafka.vectors_topic):
        msg = "--no-encoder needs the topic products.vectors: set kafka.vectors_topic, and leave out --from"
        raise CommandError(msg)


class _Texts:
    """The source that the command line names. `made_of` says which one it is, for a re-tag that goes on."""

    def __init__(self, settings: "Settings", name: str, columns: list[str]) -> None:
        from hangtag.kafka.tagged_topic import topic_id  # noqa: PLC0415

        self._settings = settings
        self._name = name
        self._file: Any = None
        if name in (_TEXTS, _EVENTS):
            kafka = settings.kafka
            self._topic = kafka.texts_topic if name == _TEXTS else kafka.events_topic
            if not self._topic:
                msg = "kafka.texts_topic is none, so texts are not kept: use --from events, or --from FILE"
                raise CommandError(msg)
            self.made_of: dict[str, Any] = {"topic": self._topic, "topic_id": topic_id(kafka, self._topic)}
            if self._has_vectors:
                self.made_of["vectors_id"] = topic_id(kafka, kafka.vectors_topic)
        else:
            self._file = _file(name, columns)
            self.made_of = {"file": self._file.sha256, "columns": sorted(columns)}

    @property
    def _has_vectors(self) -> bool:
        return self._name == _TEXTS and bool(self._settings.kafka.vectors_topic)

    def open(self, stack: ExitStack, positions: dict[int, int], release: "Release") -> "TextSource":
        """Open it at these positions; vectors, where there are any, are those that the release can use."""
        from hangtag.cli.retag.topic_source import TopicSource, of_event, of_text, of_vector  # noqa: PLC0415
        from hangtag.cli.retag.vectors_first import VectorsFirst, of_texts, of_vectors  # noqa: PLC0415
        from hangtag.cli.topic import TopicReader  # noqa: PLC0415

        if self._file is not None:
            from hangtag.cli.retag.file_source import FileSource  # noqa: PLC0415

            return FileSource(self._file, positions)
        kafka = self._settings.kafka
        group = f"{kafka.group}-retag"
        reader = stack.enter_context(TopicReader(kafka, self._topic, group=group))
        decode = of_text if self._name == _TEXTS else of_event(self._settings.worker.max_record_bytes)
        texts = TopicSource(reader, decode, of_texts(positions))
        if not self._has_vectors:
            return texts
        reader = stack.enter_context(TopicReader(kafka, kafka.vectors_topic, group=group))
        vectors = TopicSource(reader, of_vector(release), of_vectors(positions))
        return VectorsFirst(vectors, texts, positions)


def _file(name: str, columns: list[str]) -> Any:
    from hangtag.cli.predict.source import Source  # noqa: PLC0415
    from hangtag.trainer.errors import TrainerError  # noqa: PLC0415
    from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

    try:
        return Source.of(Path(name), Columns.read(None, columns))
    except TrainerError as error:
        raise CommandError(str(error)) from error


def _show(
    status: "LiveStatus", source: "TextSource", work: "Retagging | None", in_use: "StillInUse", started: float
) -> None:
    from hangtag.cli.progress import remaining_time  # noqa: PLC0415

    in_use.check()
    assert work is not None
    counts, total = work.counts, source.total
    per_s = (counts.computed + counts.from_vectors) / max(1e-9, time.monotonic() - started)
    left = "" if total is None else f", {remaining_time(started, source.done, total)}"
    share = "" if total is None else f"{min(1.0, source.done / max(1, total)):.0%}: "
    status.show(
        f"{share}{counts.written:,} written, {max(0, counts.same):,} had the tags already, {per_s:,.0f}/s tagged{left}"
    )
