"""Whether a re-tag goes on, begins anew, or must wait for a decision about an earlier one."""

import time
import uuid
from typing import Any

from hangtag.cli.errors import CommandError
from hangtag.cli.retag.opened import Opened
from hangtag.store import RetagRun, RetagStore
from hangtag.tagger.release import Release
from hangtag.workers.retag import ReleaseTags, settle

_SHOWN = 12


def run_of(parts: Opened, release: Release | ReleaseTags, made_of: dict[str, Any], *, restart: bool) -> RetagRun:
    """The re-tag to run. It goes on where one of the same source and options stopped, unless `restart`.

    Raises:
        CommandError: former tags of another release are kept.
        StoreError: the store did not answer.
    """
    kept = parts.kept
    found = kept.run()
    if found is None or (found.bundle_version, found.sequence) == (release.bundle_version, release.sequence):
        if found is not None and found.made_of == made_of and not found.is_done and not restart:
            return found
        run_id = uuid.uuid4().hex[:16] if found is None else found.run_id
        now_ms = time.time_ns() // 1_000_000
        return RetagRun(run_id, made_of, release.bundle_version, release.sequence, now_ms)
    if any(kept.formers()):
        state = "was done" if found.is_done else "was not finished"
        msg = (
            f"a re-tag with bundle {found.bundle_version[:_SHOWN]} (sequence {found.sequence}) {state}, and the tags "
            "that it replaced are kept: `hangtag retag finalize` drops them, `hangtag retag undo` puts them back"
        )
        raise CommandError(msg)
    settle(kept, parts.store, parts.sink)
    kept.forget()
    return run_of(parts, release, made_of, restart=restart)


def found_run(kept: RetagStore) -> RetagRun:
    """The re-tag that can be undone or made final.

    Raises:
        CommandError: there is none.
        StoreError: the store did not answer.
    """
    found = kept.run()
    if found is None:
        msg = f"the store at {kept.address} knows of no re-tag: there is nothing to undo or to make final"
        raise CommandError(msg)
    return found
