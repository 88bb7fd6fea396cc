"""The list of words that a recipe names, and the maker of query texts that knows them."""

from collections.abc import Sequence
from pathlib import Path

from hangtag.tags.schema import TagSchema
from hangtag.trainer import recipes
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.query_texts import QueryMaker
from hangtag.trainer.data.tag_words import QueryWords
from hangtag.trainer.recipe.queries import STARTER_WORDS, Queries
from hangtag.trainer.recipe.recipe import Recipe


def words_file(settings: Queries, data: Path) -> Path | None:
    """The file with the words for tags, in `data` or installed with the package; None if there is none."""
    if settings.words == STARTER_WORDS:
        return Path(next(iter(recipes.__path__))) / "starter-words.toml"
    return data / settings.words if settings.words else None


def query_maker_of(
    recipe: Recipe, products: Sequence[LabelledProduct], schema: TagSchema, data: Path
) -> QueryMaker | None:
    """The maker of query texts from these products and the recipe's words; None if the recipe wants no queries.

    Raises:
        QueryWordsError: the list of words cannot be used.
    """
    if recipe.queries is None:
        return None
    path = words_file(recipe.queries, data)
    return QueryMaker.of(products, schema, None if path is None else QueryWords.from_file(path))
