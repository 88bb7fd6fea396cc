"""`hangtag rebuild --from`: what a re-tag on Ray has made, written into store and topic."""

import time
from typing import TYPE_CHECKING, Any

from hangtag.cli.errors import CommandError

if TYPE_CHECKING:  # these load kafka-python and redis-py
    from hangtag.cli.retag.on_ray.fragments import Fragments, Made
    from hangtag.settings import Settings
    from hangtag.workers.retag import Retagging

_SHOWN = 12
_LOOK_EVERY_S = 5.0


def load(settings: "Settings", folder: str, *, creates: bool, restart: bool, max_per_s: float = 0) -> "Retagging":
    """Write the tags of all fragments, by the rules of `hangtag retag`; returns what became of them.

    Raises:
        CommandError: the folder holds no complete output of a re-tag on Ray, or another bundle is in use by now.
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus, remaining_time  # noqa: PLC0415
    from hangtag.cli.retag.on_ray.fragment_source import FragmentSource  # noqa: PLC0415
    from hangtag.cli.retag.opened import opened  # noqa: PLC0415
    from hangtag.cli.retag.plan import run_of  # noqa: PLC0415
    from hangtag.telemetry.clock import SystemClock  # noqa: PLC0415
    from hangtag.workers.retag import LivePace, Retagging, Selection  # noqa: PLC0415

    fragments, made = _complete(folder)
    release = made.release
    in_use = _InUse(settings, made)
    in_use.check()
    started = time.monotonic()
    made_of: dict[str, Any] = {"fragments": made.files, "columns": made.columns, "create": creates}
    with (
        opened(settings, f"hangtag rebuild --from {folder}") as parts,
        LiveStatus(make_console(stderr=True)) as status,
    ):
        found = run_of(parts, release, made_of, restart=restart)
        parts.kept.run_id, parts.kept.creates = found.run_id, creates
        source = FragmentSource(fragments, release, found.positions)
        pace = LivePace(
            parts.progress, max_per_s, lambda behind: status.show(f"waiting: workers are {behind:,} records behind")
        )

        def show() -> None:
            in_use.check()
            total, counts = source.total or 0, work.counts
            left = remaining_time(started, source.done, total)
            status.show(
                f"{source.done / max(1, total):.0%}: {counts.written:,} written, "
                f"{counts.same:,} were there already, {left}"
            )

        work = Retagging(
            source,
            release,
            parts.kept,
            parts.store,
            parts.sink,
            found,
            Selection(),
            pace,
            SystemClock(),
            settings.worker,
            show,
        )
        work.retag()
    return work


def _complete(folder: str) -> "tuple[Fragments, Made]":
    try:
        from hangtag.cli.retag.on_ray.fragments import Fragments  # noqa: PLC0415
    except ImportError as error:
        msg = f"--from needs packages that are not installed ({error})"
        raise CommandError(msg, missing_extra="export") from error
    fragments = Fragments(folder)
    made = fragments.made()
    if made is None:
        msg = (
            f"{folder} holds no output of a re-tag: name the folder that `hangtag retag run --on ray --to FOLDER` wrote"
        )
        raise CommandError(msg)
    there = len(fragments.names())
    if there != made.fragments:
        msg = (
            f"{there} of {made.fragments} fragments are in {folder}: run the same `hangtag retag run --on ray` again, "
            "which writes the others"
        )
        raise CommandError(msg)
    return fragments, made


class _InUse:
    """Ends the loading of tags whose bundle is not in use any more: they would only be in the way.

    Of a later decision about the same bundle they are fine: where tags were blocked since, servers filter what has an
    earlier sequence.
    """

    def __init__(self, settings: "Settings", made: "Made") -> None:
        self._settings, self._made = settings, made
        self._next_s = 0.0

    def check(self) -> None:
        """Look, but not too often.

        Raises:
            CommandError: another bundle is in use.
            StoreError, ModelsTopicError: neither the store nor the topic can be asked.
        """
        from hangtag.cli.retag.release import pointer_of  # noqa: PLC0415

        made, now = self._made, time.monotonic()
        if not made.sequence or self._settings.models.store is None or now < self._next_s:
            return
        self._next_s = now + _LOOK_EVERY_S
        pointer = pointer_of(self._settings)
        if pointer is None or pointer.bundle_version != made.bundle_version:
            found = "no bundle" if pointer is None else f"bundle {pointer.bundle_version[:_SHOWN]}"
            msg = (
                f"the tags are of bundle {made.bundle_version[:_SHOWN]} (sequence {made.sequence}), and {found} is in "
                "use: promote the first, or run `hangtag retag run --on ray` with another folder. What was written "
                "can be undone with `hangtag retag undo`"
            )
            raise CommandError(msg)
