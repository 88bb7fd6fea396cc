"""What was computed for a text: enough to decide its tags again without the encoder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vector:
    """What a bundle computed for the text of a product, in few bytes.

    Attributes:
        basis: hash of what `values` and `scores` depend on: only a bundle with the same one may use them; 16 bytes.
        scale: the factor of `values`.
        values: the mean of the vectors of the text's tokens, signed bytes.
        scores: the logit of each tag, in 512ths, 16 bits little-endian.
        reading: hash of what `named` and `language` depend on beside the text; 16 bytes.
        named: the tags of attribute facets that the text names, sorted.
        language: that of the text (ISO 639-1), if the bundle was not trained on it; else empty.
    """

    basis: bytes
    scale: float
    values: bytes
    scores: bytes
    reading: bytes
    named: tuple[str, ...] = ()
    language: str = ""
