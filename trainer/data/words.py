"""A pattern for complete words and phrases in a text."""

import re
from functools import lru_cache

from hangtag.text.scripts import UNSPACED

# Where a word may begin and end: next to anything but a letter, digit or hyphen, and on either side of a character of a
# script without spaces between words.
_BEGIN = rf"(?:(?<![\w-])|(?<=[{UNSPACED}])|(?=[{UNSPACED}]))"
_END = rf"(?:(?![\w-])|(?=[{UNSPACED}])|(?<=[{UNSPACED}]))"


@lru_cache(maxsize=1_024)
def whole_words(words: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern that finds these words or phrases as complete words, ignoring case; longer ones take precedence.

    If "navy blue" and "blue" are listed, "navy blue" matches only the former. A hyphen joins words: "blue-green" does
    not match "blue". 红色 is found in 夏季红色连衣裙, and "Nike" in 新款Nike运动鞋.
    """
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(f"{_BEGIN}(?:{'|'.join(map(re.escape, longest_first))}){_END}", re.IGNORECASE)
