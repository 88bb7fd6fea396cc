"""A tag of a product in 32 bits.

Bits 13 to 31 are the number of the tag, 3 to 12 the confidence in steps of 0.001, bit 2 says that it is in REVIEW, and
bits 0 and 1 are its source, as in `hangtag.v1.Source`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.tagset import ScoredTag, Source
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2

CONFIDENCE_STEPS = 1_000
TAG_SHIFT = 13
# Numbers of tags begin with 1, so no slot is 0; the largest number is left out, so none is `MORE`.
MAX_TAG_NUMBER = (1 << (32 - TAG_SHIFT)) - 2
# In place of a slot: the product has more of them than fit here.
MORE = (1 << 32) - 1
_CONFIDENCE_SHIFT = 3
_CONFIDENCE_MASK = 0x3FF
_REVIEW = 4
_SOURCE_MASK = 3
_SOURCES: dict[int, Source] = {tags_pb2.Source.Value(f"SOURCE_{source.name}"): source for source in Source}


def slot_of(tag_number: int, confidence: float, source: int, *, is_review: bool) -> int:
    """A tag of a product as its slot. A confidence outside [0, 1] counts as the nearest one inside."""
    steps = round(confidence * CONFIDENCE_STEPS) if 0 < confidence <= 1 else CONFIDENCE_STEPS if confidence > 1 else 0
    band = _REVIEW if is_review else 0
    return tag_number << TAG_SHIFT | steps << _CONFIDENCE_SHIFT | band | source & _SOURCE_MASK


def tag_number_of(slot: int) -> int:
    """The number of a slot's tag."""
    return slot >> TAG_SHIFT


def confidence_of(slot: int) -> int:
    """The confidence of a slot, in steps."""
    return slot >> _CONFIDENCE_SHIFT & _CONFIDENCE_MASK


def is_review(slot: int) -> bool:
    """Whether a slot's tag is in REVIEW."""
    return bool(slot & _REVIEW)


def source_of(slot: int) -> int:
    """The source of a slot, as in `hangtag.v1.Source`; one that is not set counts as the model."""
    return slot & _SOURCE_MASK or tags_pb2.SOURCE_MODEL


def scored(tag: str, slot: int) -> ScoredTag:
    """The tag of a slot."""
    band = Band.REVIEW if slot & _REVIEW else Band.AUTO
    source = _SOURCES.get(slot & _SOURCE_MASK, Source.MODEL)
    return ScoredTag(tag, confidence_of(slot) / CONFIDENCE_STEPS, source, band)


def tag_numbers(slots: NDArray[np.uint32]) -> NDArray[Any]:
    """The numbers of the tags of many slots."""
    return slots >> np.uint32(TAG_SHIFT)


def confidences(slots: NDArray[np.uint32]) -> NDArray[Any]:
    """The confidences of many slots, in steps."""
    return slots >> np.uint32(_CONFIDENCE_SHIFT) & np.uint32(_CONFIDENCE_MASK)


def in_auto(slots: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which of many slots are in AUTO."""
    found: NDArray[np.bool_] = slots & np.uint32(_REVIEW) == 0
    return found
