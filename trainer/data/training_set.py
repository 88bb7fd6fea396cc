"""What each epoch of a run trains on."""

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
from hangtag.text.tokens import ProductTokenizer
from hangtag.trainer.data.augment import augmented
from hangtag.trainer.data.examples import Example, examples_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.no_product import no_products
from hangtag.trainer.data.word_swaps import swappable_values
from hangtag.trainer.recipe.recipe import Recipe, Source


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Labelled products, one list per source of the recipe, from which every epoch draws anew.

    `soft`, of shape (products of all sources, tags), is what teachers say of each.
    """

    sources: Sequence[Sequence[LabelledProduct]]
    recipe: Recipe
    schema: TagSchema
    tokenizer: ProductTokenizer
    soft: NDArray[np.float16] | None = None

    @property
    def size(self) -> int:
        """Examples in an epoch."""
        return sum(len(places.always) + places.drawn for places in self._places) + self.recipe.no_products

    def draw(self, rng: random.Random) -> list[Example]:
        """The examples of one epoch: drawn by the sources' fractions, augmented, with made-up texts beside them.

        Raises:
            RecipeError: augmentation swaps values of a facet that cannot be swapped alone.
        """
        values = swappable_values(self.schema, self.recipe.augmentation.values_of)
        originals = self.products
        starts = accumulate((len(source) for source in self.sources), initial=0)
        drawn = [
            (start + at, augmented(source[at], self.recipe.augmentation, rng, values))
            for start, source, places in zip(starts, self.sources, self._places, strict=False)
            for at in (*places.always, *rng.sample(places.others, places.drawn))
        ]
        facets = [facet.name for facet in self.schema.facets]
        made_up = no_products(self.recipe.no_products, facets, rng)
        products = [product for _, product in drawn]
        examples = examples_of([*products, *made_up], self.schema, self.tokenizer)
        if self.soft is not None:
            for place, (at, product) in enumerate(drawn):
                # Of a product that became another value's the teachers have said nothing.
                if product.tags == originals[at].tags:
                    examples[place] = replace(examples[place], soft=self.soft[at])
        return examples

    @property
    def products(self) -> list[LabelledProduct]:
        """The products of all sources."""
        return [product for source in self.sources for product in source]

    def counts(self) -> NDArray[np.float32]:
        """How many products carry each tag; of shape (tags,)."""
        found = Counter(tag for source in self.sources for product in source for tag in product.tags)
        return np.array([found[tag] for tag in self.schema.tags], np.float32)

    def texts(self, count: int) -> list[Example]:
        """At most `count` examples as they are in the files, drawn by the recipe's seed."""
        products = self.products
        drawn = random.Random(self.recipe.seed).sample(products, min(count, len(products)))
        return examples_of(drawn, self.schema, self.tokenizer)

    def whole(self) -> tuple[list[ProductText], list[Example]]:
        """All products as they are in the files, one epoch's made-up texts behind them: their texts, their labels."""
        facets = [facet.name for facet in self.schema.facets]
        made_up = no_products(self.recipe.no_products, facets, random.Random(self.recipe.seed))
        products = [*self.products, *made_up]
        return [product.text for product in products], examples_of(products, self.schema, self.tokenizer)

    @property
    def _places(self) -> list["_Places"]:
        return [
            _Places.of(products, source) for products, source in zip(self.sources, self.recipe.sources, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a source's products stand that are in every epoch, and the others, of which so many are drawn for each."""

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
