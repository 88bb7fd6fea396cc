"""New tags of a product, or its deletion, before they are bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hangtag.records import KeptText, KeptVector, TaggedProduct, decode_tags, encode_tags
from hangtag.store import Entry, bundle_prefix
from hangtag.store.entry import NO_TEXT
from hangtag.tags.decisions import Decision, apply_decisions
from hangtag.tags.schema import TagSchema
from hangtag.tags.tagset import TagSet


@dataclass(frozen=True, slots=True)
class Update:
    """What a writer wants to store of one product.

    Attributes:
        product_id: the shop's id.
        version: the product version that was tagged or deleted.
        tags: what the model and the rules give; None for a deletion.
        bundle_version: version (hex) of the bundle that predicted the tags; empty for a deletion.
        sequence: the bundle's place in the order of releases.
        text_hash: hash of the cleaned text and its language.
        tagged_at_ms: time of the prediction, in ms since 1970.
        schema: the bundle's tag schema, used to apply people's decisions.
        kept: the text that was tagged, or the deletion, for `products.texts`; None: it is not kept.
        vector: what was computed for the text, or the deletion, for `products.vectors`; None: it is not kept.
    """

    product_id: str
    version: int
    tags: TagSet | None
    bundle_version: str = ""
    sequence: int = 0
    text_hash: bytes = NO_TEXT
    tagged_at_ms: int = 0
    schema: TagSchema | None = None
    kept: KeptText | None = None
    vector: KeptVector | None = None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The update that an entry came from, for writing it again with other decisions.

        Raises:
            ValueError: the entry's payload is not a `ProductTags` message.
        """
        if entry.is_deletion:
            return cls(entry.product_id, entry.version, None)
        found = decode_tags(entry.payload)
        return cls(
            product_id=entry.product_id,
            version=entry.version,
            tags=found.tags,
            bundle_version=found.bundle_version,
            sequence=entry.sequence,
            text_hash=entry.text_hash,
            tagged_at_ms=found.tagged_at_ms,
        )

    def entry(self, decisions: Sequence[Decision] = (), revision: int = 0) -> Entry:
        """The update as an entry of the store, with the decisions of `revision` applied."""
        if self.tags is None:
            return Entry.deletion(self.product_id, self.version)
        tags = apply_decisions(self.tags, decisions, self.schema) if decisions else self.tags
        product = TaggedProduct(
            self.product_id, self.version, tags, self.bundle_version, self.tagged_at_ms, tuple(decisions)
        )
        return Entry(
            product_id=self.product_id,
            version=self.version,
            payload=encode_tags(product),
            bundle_prefix=bundle_prefix(self.bundle_version),
            sequence=self.sequence,
            revision=revision,
            text_hash=self.text_hash,
        )
