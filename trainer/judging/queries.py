"""Calibration and thresholds for what people type, set on texts made from validation products."""

import random
from collections.abc import Sequence
from dataclasses import replace

from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Logits
from hangtag.tags.tag import facet_of
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.examples import examples_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.no_product import no_products
from hangtag.trainer.data.query_texts import QueryMaker
from hangtag.trainer.data.tag_words import TagWords
from hangtag.trainer.judging.attributes import Words
from hangtag.trainer.judging.evaluate import logits_of, logits_of_texts
from hangtag.trainer.judging.judge import Judged, judge
from hangtag.trainer.recipe.queries import Queries
from hangtag.trainer.recipe.recipe import Recipe

# Texts made from each validation product, and one text about no product for this many of them.
_TEXTS = 2
_PER_OFF_TOPIC = 10
# The seed of training draws other texts.
_SEED = 1_000_003


def query_texts_of(
    maker: QueryMaker, products: Sequence[LabelledProduct], settings: Queries, seed: int
) -> tuple[list[LabelledProduct], list[LabelledProduct]]:
    """Texts that ask for these products, each with its product's shop, and texts that are about no product.

    The texts are made from the titles of validation products, which training has not seen. What kind of thing a text
    asks for is a label only where its product has it.
    """
    rng = random.Random(seed + _SEED)
    asked = [
        replace(
            _as_labelled(found, product, maker.asking.words),
            product_id=f"{product.product_id}-{number}",
            shop=product.shop or product.product_id,
        )
        for product in products
        for number in range(_TEXTS)
        if (found := maker.from_product(product, rng)) is not None
    ]
    facets = [facet.name for facet in maker.asking.words.schema.facets]
    return asked, no_products(len(asked) // _PER_OFF_TOPIC, facets, rng, settings.languages)


def _as_labelled(found: LabelledProduct, product: LabelledProduct, words: TagWords) -> LabelledProduct:
    """The text without labels that only its words say: names of things have other meanings in names of products."""
    guessed = found.facets - product.facets - words.attribute_names
    tags = frozenset(tag for tag in found.tags if facet_of(tag) not in guessed)
    return replace(found, facets=found.facets - guessed, tags=tags)


def for_queries(recipe: Recipe) -> Recipe:
    """The recipe with the promise for queries in place of that for products."""
    if recipe.queries is None or recipe.queries.auto_precision is None:
        return recipe
    return recipe.model_copy(update={"auto_precision": recipe.queries.auto_precision})


def judge_queries(
    tagger: Tagger,
    asked: Sequence[LabelledProduct],
    off_topic: Sequence[LabelledProduct],
    recipe: Recipe,
    words: Words,
) -> Judged:
    """Calibrate and set thresholds for queries, by the rules for products (`judge`) and the recipe `for_queries`.

    Any AUTO tag of a text about no product is a mistake.
    """
    schema = tagger.bundle.schema
    texts = [*asked, *off_topic]
    examples = examples_of(texts, schema, tagger.bundle.tokenizer)

    def scoring(some: Sequence[ProductText]) -> Logits:
        return logits_of_texts(tagger, some, kind=TextKind.QUERY)

    return judge(logits_of(tagger, texts, kind=TextKind.QUERY), texts, examples, schema, recipe, words, scoring)
