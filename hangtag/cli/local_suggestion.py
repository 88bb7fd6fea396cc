"""A suggestion from a bundle on this machine, without a server."""

from hangtag.cli.errors import CommandError
from hangtag.records import no_tags_reason, tag_message
from hangtag.settings import load_settings
from hangtag.tagger.tagger import open_tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2

_KINDS = {TextKind.PRODUCT: tags_pb2.TEXT_KIND_PRODUCT, TextKind.QUERY: tags_pb2.TEXT_KIND_QUERY}


def suggest_with(bundle: str, text: str, description: str = "", category: str = "") -> tags_pb2.SuggestTagsResponse:
    """What a server with this bundle answers: without description and category the text counts as a query.

    Raises:
        CommandError: there is no visible text.
        BundleError: the bundle is missing or damaged.
        EngineError: the engine of the settings cannot run here.
    """
    cleaned = ProductText.of(text, description, category)
    if cleaned.is_empty:
        msg = "TEXT has no visible text (without markup): give one"
        raise CommandError(msg)
    kind = TextKind.PRODUCT if description or category else TextKind.QUERY
    tagger = open_tagger(load_settings().model.model_copy(update={"bundle": bundle}))
    (tags,) = tagger([cleaned], kind)
    return tags_pb2.SuggestTagsResponse(
        tags=map(tag_message, tags.tags),
        review=map(tag_message, tags.review),
        bundle_version=tagger.bundle.version,
        kind=_KINDS[kind],
        no_tags_reason=no_tags_reason(tags),
    )
