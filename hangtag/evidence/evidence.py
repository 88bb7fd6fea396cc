"""Which words of a text support its tags."""

from collections.abc import Mapping, Sequence

import numpy as np

from hangtag.bundle.weights import Weights
from hangtag.evidence.heads import Floats, Heads
from hangtag.evidence.split import Split, split_logits
from hangtag.evidence.support import Support
from hangtag.tags.naming import Naming
from hangtag.tags.schema import TagSchema
from hangtag.tags.tag import facet_of
from hangtag.text.origins import Origins
from hangtag.text.understood import Understood
from hangtag.words.function_words import FUNCTION_WORDS

_MOST_WORDS = 3
# A word supports a tag if it adds at least this share of what the strongest word adds.
_LEAST_SHARE = 0.3


def _is_of_fitted(support: Support, fitted: frozenset[str]) -> bool:
    """What a tag is named by, or else all that supports it, are words for what an accessory fits."""
    needed = support.words[:1] if support.is_named else support.words
    return bool(needed) and fitted.issuperset(needed)


class Evidence:
    """Finds the support of tags with one bundle's weights. Immutable: threads may share it."""

    def __init__(self, schema: TagSchema, weights: Weights, names: Naming) -> None:
        self._schema = schema
        self._names = names
        self._heads = Heads(schema, weights, compared=True)
        self._lowest = frozenset(chain[-1].name for chain in schema.chains if len(chain) > 1)

    def support(
        self,
        understood: Understood,
        origins: Origins,
        vectors: Floats,
        tags: Sequence[str],
        wide_strength: float = 1,
    ) -> dict[str, Support]:
        """The support of each of these tags.

        `origins` and `vectors` are those of the tokens of the text that the model has read, and `wide_strength` is the
        factor on the scores of its n-grams.
        """
        if not tags:
            return {}
        positions = np.array([self._schema.index[tag] for tag in tags], np.int64)
        split = split_logits(understood.text, origins, vectors, self._heads, positions, wide_strength)
        strongest_first = _strongest_first(split)
        names = self._names.words_by_tag(understood.text)
        written = understood.written
        found = {}
        for tag, strongest in zip(tags, strongest_first, strict=True):
            its_names = names.get(tag, ())
            words = list(dict.fromkeys([*its_names, *strongest]))[:_MOST_WORDS]
            found[tag] = Support(tuple(written.get(word, word) for word in words), bool(its_names))
        return found

    def doubted(self, understood: Understood, support: Mapping[str, Support]) -> frozenset[str]:
        """The tags of the lowest facets that only words support for what a part or an accessory fits.

        A case for a phone is in the phones' segment, but it is not a phone.
        """
        if not understood.fitted:
            return frozenset()
        return frozenset(
            tag
            for tag, its_support in support.items()
            if facet_of(tag) in self._lowest and _is_of_fitted(its_support, understood.fitted)
        )


def _strongest_first(split: Split) -> list[list[str]]:
    """The words that support each tag, the strongest first, without those that say nothing about a thing."""
    added = split.added[:-1]
    least = _LEAST_SHARE * added.max(axis=0, initial=0.0)
    found = []
    for its, its_least in zip(added.T, least, strict=True):
        strong = np.flatnonzero(its > its_least)
        order = strong[np.argsort(-its[strong], kind="stable")].tolist()
        found.append([split.words[place] for place in order if split.words[place] not in FUNCTION_WORDS])
    return found
