"""Which words of a text support its tags."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from hangtag.bundle.weights import Weights
from hangtag.evidence.split import Floats, Split, split_logits
from hangtag.evidence.support import Support
from hangtag.tags.naming import Naming
from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.tag import facet_of
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
        self._wide = weights.wide
        self._names = names
        self._single = frozenset(facet.name for facet in schema.facets if facet.kind is FacetKind.SINGLE)
        # In a single facet tags compete: what counts is what a word adds to a tag more than to the others on average.
        self._head = weights.head_weight.copy()
        for name in self._single:
            self._head[schema.slices[name]] -= self._head[schema.slices[name]].mean(axis=0)
        self._lowest = frozenset(chain[-1].name for chain in schema.chains if len(chain) > 1)

    def support(
        self,
        understood: Understood,
        places: Sequence[tuple[int, int]],
        vectors: Floats,
        tags: Collection[str],
        wide_strength: float = 1,
    ) -> dict[str, Support]:
        """The support of each of these tags.

        `places` and `vectors` are those of the tokens of the text that the model has read, and `wide_strength` is the
        factor on the scores of its n-grams.
        """
        if not tags:
            return {}
        # Only the rows of these tags: a product with the complete head would cost ten times as much.
        head = self._head[[self._schema.index[tag] for tag in tags]]
        split = split_logits(understood.text, places, vectors, head, self._wide, len(self._schema.tags), wide_strength)
        return {tag: self._of(tag, row, split, understood) for row, tag in enumerate(tags)}

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

    def _of(self, tag: str, row: int, split: Split, understood: Understood) -> Support:
        text, written = understood.text, understood.written
        names = [word for segment in (text.first, text.second) for word in self._names.words_for(tag, segment)]
        added = split.of_tokens[:-1, row] + self._of_ngrams(tag, split)
        strongest = added.max(initial=0.0)
        order = [int(place) for place in np.argsort(-added, kind="stable") if added[place] > _LEAST_SHARE * strongest]
        suggest = [split.words[place] for place in order if split.words[place] not in FUNCTION_WORDS]
        words = list(dict.fromkeys([*names, *suggest]))[:_MOST_WORDS]
        return Support(tuple(written.get(word, word) for word in words), bool(names))

    def _of_ngrams(self, tag: str, split: Split) -> Floats:
        added = split.of_ngrams[:-1, self._schema.index[tag]]
        if facet_of(tag) in self._single:
            added = added - split.of_ngrams[:-1, self._schema.slices[facet_of(tag)]].mean(axis=1)
        return added
