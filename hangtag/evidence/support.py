"""The words that support a tag."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Support:
    """`words` of the text, as they were written, that speak for a tag, the strongest first.

    With `is_named` the text has a word for the tag, which is then first ("red"); otherwise its words only suggest it
    ("hoodie" for men).
    """

    words: tuple[str, ...] = ()
    is_named: bool = False
