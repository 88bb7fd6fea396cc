"""What a text says in words: its language, what it asks for, what it does not want, and what is no tag."""

from hangtag.words.language import languages_of
from hangtag.words.reader import Reader

__all__ = ["Reader", "languages_of"]
