"""Stored tags for another version of a product, before they are bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hangtag.records import KeptText
from hangtag.store import Entry
from hangtag.tags.decisions import Decision
from hangtag.tags.schema import TagSchema
from hangtag.v1 import tags_pb2
from hangtag.write.update import Update


@dataclass(frozen=True, slots=True)
class Move:
    """The stored tags of a product for a version of it whose text is the same: only the version changes.

    `version` may be that of the stored tags too, for a larger `sequence`: that of the release which gives the text the
    same tags. `schema` is the schema of the bundle that predicted them; nobody had decided about the product. `kept` is
    that of an `Update`.
    """

    stored: Entry
    version: int
    sequence: int
    schema: TagSchema | None = None
    kept: KeptText | None = None

    def entry(self, decisions: Sequence[Decision] = (), revision: int = 0) -> Entry:
        """See `Update.entry`."""
        if decisions or revision:
            update = replace(Update.of(self.stored), version=self.version, sequence=self.sequence, schema=self.schema)
            return update.entry(decisions, revision)
        message = tags_pb2.ProductTags.FromString(self.stored.payload)
        message.version = self.version
        payload = message.SerializeToString(deterministic=True)
        return replace(self.stored, version=self.version, sequence=self.sequence, payload=payload)
