"""Tags a bundle's reference texts: where it is pushed to write them down, where it is loaded to compare them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hangtag.bundle.references import References, ReferenceText
from hangtag.text.product_text import ProductText

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    # Importing it brings the engine's runtime; callers have a tagger already.
    from hangtag.tagger.tagger import Tagger
    from hangtag.tags.tagset import TagSet

# Engines and devices compute with different precision; a tag that is near a threshold may be in AUTO with one of them
# and in REVIEW with the other.
_TOLERANCE = 0.05
_BATCH = 32


class ReferencesError(ValueError):
    """The bundle does not give its reference texts their tags here; the message says which text and which tag."""


def make_references(tagger: Tagger, texts: Sequence[ReferenceText]) -> References:
    """The same texts with the tags that the tagger gives them.

    Raises:
        FaultError: the engine fails.
    """
    found = _tag(tagger, texts)
    return References(
        texts=tuple(
            text.model_copy(update={"tags": _confidences(tags, auto=True), "review": _confidences(tags, auto=False)})
            for text, tags in zip(texts, found, strict=True)
        )
    )


def check_references(tagger: Tagger, references: References) -> None:
    """Tag the reference texts, and compare.

    A tag that either side would use has to be known to the other, in AUTO or REVIEW, with nearly the same confidence.

    Raises:
        ReferencesError: it is not.
        Exception: what the tokenizer or the engine raise.
    """
    for place, (text, tags) in enumerate(zip(references.texts, _tag(tagger, references.texts), strict=True)):
        found_auto, found_review = _confidences(tags, auto=True), _confidences(tags, auto=False)
        _compare(place, text.tags, {**found_auto, **found_review}, ("in the bundle's references", "here"))
        _compare(place, found_auto, {**text.tags, **text.review}, ("here", "in the bundle's references"))


def _compare(place: int, used: Mapping[str, float], others: Mapping[str, float], sides: tuple[str, str]) -> None:
    for tag, confidence in used.items():
        other = others.get(tag)
        if other is None or abs(other - confidence) > _TOLERANCE:
            there = "none" if other is None else f"{other:.2f}"
            msg = (
                f"reference text {place}: {tag} has the confidence {confidence:.2f} {sides[0]} and {there} {sides[1]}; "
                "the bundle does not work here as where it was pushed: check the engine, the device and their versions"
            )
            raise ReferencesError(msg)


def _tag(tagger: Tagger, texts: Sequence[ReferenceText]) -> list[TagSet]:
    found: list[TagSet] = []
    for start in range(0, len(texts), _BATCH):
        some = texts[start : start + _BATCH]
        kinds = [text.kind for text in some]
        cleaned = [ProductText.of(text.title, text.description, text.merchant_category) for text in some]
        found += tagger.decode(tagger.forward(tagger.encode(cleaned, kinds)), kinds)
    return found


def _confidences(tags: TagSet, *, auto: bool) -> dict[str, float]:
    return {scored.tag: round(scored.confidence, 4) for scored in (tags.tags if auto else tags.review)}
