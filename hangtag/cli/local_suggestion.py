"""Suggestions from a bundle on this machine, without a server."""

from collections.abc import Sequence

from hangtag.cli.errors import CommandError
from hangtag.server.narrow import narrow
from hangtag.server.suggestion import suggestion_message, usual_kind
from hangtag.settings import load_settings
from hangtag.tagger.tagger import open_tagger
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2


def suggest_with(
    bundle: str,
    texts: Sequence[str],
    description: str = "",
    category: str = "",
    tag_filter: tags_pb2.TagFilter | None = None,
) -> list[tags_pb2.SuggestTagsResponse]:
    """What a server with this bundle answers, in order: without description and category a text counts as a query.

    Raises:
        CommandError: a text has nothing visible.
        BundleError: the bundle is missing or damaged.
        EngineError: the engine of the settings cannot run here.
    """
    cleaned = [ProductText.of(text, description, category) for text in texts]
    for place, text in enumerate(cleaned, 1):
        if text.is_empty:
            msg = f"text {place} has no visible text (without markup): leave it out"
            raise CommandError(msg)
    kind = usual_kind(description, category)
    tagger = open_tagger(load_settings().model.model_copy(update={"bundle": bundle}))
    answers = [suggestion_message(found, kind, tagger.bundle.version) for found in tagger.suggest(cleaned, kind)]
    if tag_filter is not None:
        for answer in answers:
            narrow(answer, tag_filter)
    return answers
