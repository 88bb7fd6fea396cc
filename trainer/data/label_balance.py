"""Label balance: how often each tag is labelled."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hangtag.tags.tag import value_of
from hangtag.text.visible import visible_text
from hangtag.trainer.data.labelled import LabelledProduct

# In characters, normalised and with case folded.
_LONGER_THAN_TAGS = 10_000
# Without white space, in small letters.
_MISSING = frozenset(
    {
        *("nan", "null", "nil", "none", "na", "n/a", "n.a.", "nat", "undefined", "missing", "unspecified", "tbd"),
        *(
            "notavailable",
            "notapplicable",
            "keineangabe",
            "k.a.",
            "<na>",
            "(null)",
            "(none)",
            "[null]",
            "\\n",
            "<null>",
        ),
        *("#n/a", "#na", "#null!", "#value!", "#ref!", "#name?", "#div/0!"),
        *("-", "--", "\u2013", "\u2014", "?", "...", "\u2026", "."),
    }
)
# Between letters only: -1 and 1, or 3-4 and 34, are different values.
_BETWEEN_WORDS = re.compile(r"(?<=[^\W\d])[-_]+(?=[^\W\d])")
_ENDING = re.compile(r"(?<=[^\W\d])['\u2019]s?$|(?<=[^\W\ds][^\W\ds])s$")


@dataclass(frozen=True, slots=True)
class FacetBalance:
    """The counts of a facet's labels.

    `labelled` is the number of products labelled for the facet, `none` and `several` those with no tag and with more
    than one; `tags` has the number of products per tag. A single product with several tags makes a facet `multi`,
    unless the recipe sets its kind.
    """

    labelled: int
    none: int
    several: int
    tags: Mapping[str, int]

    @property
    def largest_share(self) -> float:
        """The most frequent tag's share of all the facet's labels, 0 to 1."""
        return max(self.tags.values()) / sum(self.tags.values()) if self.tags else 0.0

    @property
    def evenness(self) -> float:
        """Pielou's evenness (1966): the tags' Shannon entropy over its maximum; 1 if all are equally frequent."""
        total = sum(self.tags.values())
        if len(self.tags) < 2:  # noqa: PLR2004 (a single tag has no balance)
            return 1.0
        entropy = -sum(count / total * math.log(count / total) for count in self.tags.values())
        return entropy / math.log(len(self.tags))

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return {**asdict(self), "largest_share": self.largest_share, "evenness": self.evenness}


def balance_of(products: Iterable[LabelledProduct]) -> dict[str, FacetBalance]:
    """The balance of each facet that a product is labelled for, by name."""
    tags: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for product in products:
        for facet in product.facets:
            its_tags = product.tags_of(facet)
            tags[facet].update(sorted(its_tags))
            sizes[facet][min(len(its_tags), 2)] += 1
    return {
        facet: FacetBalance(
            sum(sizes[facet].values()), sizes[facet][0], sizes[facet][2], dict(tags[facet].most_common())
        )
        for facet in sorted(sizes)
    }


def rare_tags(balance: Mapping[str, FacetBalance], min_examples: int) -> dict[str, int]:
    """The tags with fewer than `min_examples` examples and their counts, the rarest first."""
    counts = {tag: count for facet in balance.values() for tag, count in facet.tags.items() if count < min_examples}
    return dict(sorted(counts.items(), key=lambda item: (item[1], item[0])))


def look_alikes(balance: Mapping[str, FacetBalance]) -> list[dict[str, int]]:
    """Groups of tags that look the same and probably mean the same, with their numbers of products.

    They differ only in case, white space, characters that show nothing, or the form of Unicode (composed or decomposed
    letters, full width, ligatures); in hyphens, apostrophes, `&` for `and`, or an s at the end of a word (`Women's`).
    """
    groups: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for name, facet in balance.items():
        for tag, count in facet.tags.items():
            groups[name, _stem(value_of(tag))][tag] = count
    return [dict(sorted(tags.items())) for tags in groups.values() if len(tags) > 1]


def missing_values(balance: Mapping[str, FacetBalance]) -> dict[str, int]:
    """Tags whose values are what programs write where a value is missing, with their numbers of products."""
    tags = (item for facet in balance.values() for item in facet.tags.items())
    return dict(sorted((tag, count) for tag, count in tags if _looks(value_of(tag)) in _MISSING))


def escaped(tag: str) -> str:
    """The tag with everything but visible ASCII as an escape, which shows how similar tags differ."""
    return tag.encode("unicode_escape").decode()


def _stem(value: str) -> str:
    """The value without what makes no difference in meaning; equal for values that probably mean the same."""
    text = _folded(value).replace("&", " and ")
    words = (_ENDING.sub("", word.strip("'\u2019")) for word in _BETWEEN_WORDS.sub(" ", text).split())
    return "".join(words) or _looks(value)


def _looks(text: str) -> str:
    return "".join(_folded(text).split())


def _folded(text: str) -> str:
    # Folding case can make a text not normalised, and normalising can make letters that fold.
    for _ in range(2):
        text = visible_text(text, _LONGER_THAN_TAGS).text.casefold()
    return text
