"""One product's prediction, as it is written."""

from collections.abc import Iterable
from typing import Any

from hangtag.cli.predict.source import Found
from hangtag.tagger.bulk import Tagged
from hangtag.tagger.isolate import Failure
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import ScoredTag
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.row import BadRow

_DIGITS = 4
NO_TEXT = "there is no text to tag"


def prediction_of(found: Found, text: ProductText, result: Tagged | Failure, bundle_version: str) -> dict[str, Any]:
    """Line, product id, tags in AUTO, tags in REVIEW, candidates, and the reason if the row cannot be tagged."""
    prediction: dict[str, Any] = {
        "line": found.line,
        "product_id": None if isinstance(found, BadRow) else found.product.product_id,
        "tags": [],
        "review": [],
        "candidates": [],
        "bundle_version": bundle_version,
        "error": None,
    }
    if isinstance(found, BadRow):
        prediction["error"] = found.reason
    elif isinstance(result, Failure):
        # Not the error's message, which may quote the text.
        prediction["error"] = f"the model fails on this text: {type(result.error).__name__}"
    elif text.is_empty:
        prediction["error"] = NO_TEXT
    else:
        prediction["tags"] = _tags(result.tags.tags)
        prediction["review"] = _tags(result.tags.review)
        prediction["candidates"] = _tags(result.candidates)
    return prediction


def _tags(scored: Iterable[ScoredTag]) -> list[dict[str, Any]]:
    return [
        {
            "facet": facet_of(each.tag),
            "value": value_of(each.tag),
            "confidence": round(each.confidence, _DIGITS),
            "source": each.source.value,
            "band": each.band.value,
        }
        for each in scored
    ]
