"""The training set, from which each epoch draws its examples."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.schema import TagSchema
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer, Tokens
from hangtag.trainer.data.augment import augmented
from hangtag.trainer.data.examples import Example, examples_of, tokenised_examples
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.no_product import no_products
from hangtag.trainer.data.query_texts import QueryMaker
from hangtag.trainer.data.shop_noise import noisy
from hangtag.trainer.data.word_swaps import swappable_values
from hangtag.trainer.recipe.recipe import Recipe, Source

# Made texts among those from which the ranges of int8 inputs are determined.
_MADE_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Labelled products, one list per source of the recipe.

    `soft` holds the teachers' probabilities, of shape (products of all sources, tags), NaN where there is none.
    `queries` makes the texts that people type, if the recipe wants any. `tokens` are those of the products' texts as
    they are, in the order of all sources; None: they are tokenised when they are needed.
    """

    sources: Sequence[Sequence[LabelledProduct]]
    recipe: Recipe
    schema: TagSchema
    tokenizer: ProductTokenizer
    soft: NDArray[np.float16] | None = None
    queries: QueryMaker | None = None
    tokens: Sequence[Tokens] | None = None

    def __post_init__(self) -> None:
        if self.tokens is not None and len(self.tokens) != sum(map(len, self.sources)):
            msg = f"there are tokens of {len(self.tokens)} products, but {sum(map(len, self.sources))} products"
            raise ValueError(msg)

    @property
    def size(self) -> int:
        """The number of examples in an epoch."""
        settings = self.recipe.queries
        made = settings.per_epoch + settings.off_topic if settings else 0
        return sum(len(each.always) + each.drawn for each in self._selections) + self.recipe.no_products + made

    def draw(self, rng: random.Random) -> list[Example]:
        """Draw one epoch's examples by the sources' fractions, augment them, and add made texts.

        Raises:
            RecipeError: augmentation swaps values of a facet that has a parent or children, or is not single.
        """
        values = swappable_values(self.schema, self.recipe.augmentation.values_of)
        originals = self.products
        starts = accumulate((len(source) for source in self.sources), initial=0)
        drawn = [
            (start + at, augmented(source[at], self.recipe.augmentation, rng, values))
            for start, source, selection in zip(starts, self.sources, self._selections, strict=False)
            for at in (*selection.always, *rng.sample(selection.others, selection.drawn))
        ]
        tokens = self._tokens_of([(at, product, originals[at]) for at, product in drawn])
        examples = tokenised_examples([product for _, product in drawn], tokens, self.schema)
        if self.soft is not None:
            for place, (at, product) in enumerate(drawn):
                # The teachers saw the original product; if a value was swapped, their probabilities do not apply.
                if product.tags == originals[at].tags:
                    examples[place] = replace(examples[place], soft=self.soft[at])
        settings = self.recipe.queries
        asked = self._asked(settings.per_epoch if settings else 0, rng)
        off_topic = self._off_topic(settings.off_topic if settings else 0, rng)
        return [
            *examples,
            *examples_of(asked, self.schema, self.tokenizer),
            *examples_of(off_topic, self.schema, self.tokenizer, on_topic=False),
        ]

    @property
    def products(self) -> list[LabelledProduct]:
        """The products of all sources."""
        return [product for source in self.sources for product in source]

    def counts(self) -> NDArray[np.float32]:
        """The number of products with each tag, of shape (tags,)."""
        found = Counter(tag for source in self.sources for product in source for tag in product.tags)
        return np.array([found[tag] for tag in self.schema.tags], np.float32)

    def sample(self, count: int) -> list[Example]:
        """At most `count` unchanged examples, drawn with the recipe's seed."""
        products = self.products
        drawn = random.Random(self.recipe.seed).sample(range(len(products)), min(count, len(products)))
        tokens = self._tokens_of([(at, products[at], products[at]) for at in drawn])
        return tokenised_examples([products[at] for at in drawn], tokens, self.schema)

    def made_sample(self) -> list[Example]:
        """Made texts that people might type, drawn with the recipe's seed; none if the recipe wants no queries."""
        return examples_of(self._asked(_MADE_SAMPLE, random.Random(self.recipe.seed)), self.schema, self.tokenizer)

    def all_examples(self) -> tuple[list[ProductText], list[Example]]:
        """The texts and examples of all products, unchanged, followed by `no_products` made-up texts."""
        products = [*self.products, *self._off_topic(0, random.Random(self.recipe.seed))]
        return [product.text for product in products], examples_of(products, self.schema, self.tokenizer)

    def _tokens_of(self, drawn: Sequence[tuple[int, LabelledProduct, LabelledProduct]]) -> list[Tokens]:
        """The tokens of products: each with its place and what it was before it was augmented."""
        if self.tokens is None:
            return self.tokenizer([product.text for _, product, _ in drawn])
        changed = [number for number, (_, product, original) in enumerate(drawn) if not _same_text(product, original)]
        new = dict(zip(changed, self.tokenizer([drawn[number][1].text for number in changed]), strict=True))
        return [new[number] if number in new else self.tokens[at] for number, (at, *_) in enumerate(drawn)]

    def _asked(self, count: int, rng: random.Random) -> list[LabelledProduct]:
        """Texts that people might type for a product."""
        settings = self.recipe.queries
        if settings is None or self.queries is None or not count:
            return []
        asked = self.queries.draw(count, rng)
        return [noisy(text, rng) if rng.random() < settings.shop_noise_in else text for text in asked]

    def _off_topic(self, further: int, rng: random.Random) -> list[LabelledProduct]:
        """Texts that are about no product."""
        settings, facets = self.recipe.queries, [facet.name for facet in self.schema.facets]
        return no_products(self.recipe.no_products + further, facets, rng, settings.languages if settings else None)

    @property
    def _selections(self) -> list["_Selection"]:
        return [
            _Selection.of(products, source) for products, source in zip(self.sources, self.recipe.sources, strict=True)
        ]


def _same_text(one: LabelledProduct, other: LabelledProduct) -> bool:
    return (one.title, one.description, one.merchant_category) == (
        other.title,
        other.description,
        other.merchant_category,
    )


@dataclass(frozen=True, slots=True)
class _Selection:
    """The places of a source's products that are in every epoch, and of the others, of which `drawn` are drawn."""

    always: Sequence[int]
    others: Sequence[int]
    drawn: int

    @classmethod
    def of(cls, products: Sequence[LabelledProduct], source: Source) -> Self:
        counts = Counter(tag for product in products for tag in product.tags)
        rare = {tag for tag, count in counts.items() if count <= source.rare_up_to}
        always = [at for at, product in enumerate(products) if product.tags & rare]
        kept = set(always)
        others = [at for at in range(len(products)) if at not in kept]
        return cls(always, others, math.ceil(len(others) * source.fraction))
