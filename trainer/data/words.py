"""Words and phrases found whole in a text."""

import re
from functools import lru_cache


@lru_cache(maxsize=1_024)
def whole_words(words: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern that finds these words or phrases, whatever their case: the longest first, a hyphen joins.

    "navy blue" is not "blue" where both are listed, and "blue-green" is neither.
    """
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)
