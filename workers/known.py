"""Products whose tags are known: the text has not changed since the same bundle tagged it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from hangtag.store import TagStore, bundle_prefix
from hangtag.tagger.release import Release
from hangtag.telemetry import metrics
from hangtag.text.text_hash import text_hash
from hangtag.workers.item import Item


def with_stored_tags(items: Sequence[Item], store: TagStore, release: Release) -> list[Item]:
    """The items, with the stored tags of those whose text this release would give the same; the order is kept.

    A product that people have decided about is tagged again, so that their decisions are applied to what the model
    says, not to what earlier decisions left of it.

    Raises:
        StoreError: the store did not answer.
    """
    todo = [item for item in items if not item.is_deletion]
    prefix, found = bundle_prefix(release.bundle_version), {}
    for item, entry in zip(todo, store.read([item.event.product_id for item in todo]), strict=True):
        if entry is None or entry.is_deletion or entry.revision or entry.bundle_prefix != prefix:
            continue
        is_same_text = entry.text_hash == text_hash(item.event.text, item.event.language)
        if is_same_text and release.gives_tags_of(entry.sequence):
            found[item.ticket] = entry
    metrics.REUSED_TAGS.labels("store").inc(len(found))
    return [
        replace(item, stored=found[item.ticket], release=release) if item.ticket in found else item for item in items
    ]


def by_text(items: Sequence[Item]) -> list[list[Item]]:
    """The items in groups that have the same text, in the order of their first."""
    groups: defaultdict[object, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.text_key].append(item)
    return list(groups.values())
