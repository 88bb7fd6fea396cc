"""Words and phrases found whole in a text."""

import re
from functools import lru_cache

from hangtag.trainer.data.scripts import UNSPACED

# Where a word may begin and end: where no letter, digit or hyphen goes on, and on either side of a character of a
# script that puts no space between words.
_BEGIN = rf"(?:(?<![\w-])|(?<=[{UNSPACED}])|(?=[{UNSPACED}]))"
_END = rf"(?:(?![\w-])|(?=[{UNSPACED}])|(?<=[{UNSPACED}]))"


@lru_cache(maxsize=1_024)
def whole_words(words: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern that finds these words or phrases, whatever their case: the longest first, a hyphen joins.

    "navy blue" is not "blue" where both are listed, and "blue-green" is neither. 红色 is found in 夏季红色连衣裙, and
    "Nike" in 新款Nike运动鞋.
    """
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(f"{_BEGIN}(?:{'|'.join(map(re.escape, longest_first))}){_END}", re.IGNORECASE)
