"""A lesson from files: examples of new tags, and products without them."""

from collections.abc import Sequence
from pathlib import Path

from hangtag.bundle import Bundle
from hangtag.tags.schema import FacetKind
from hangtag.tags.tag import facet_of, value_of
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.labelled import LabelledProduct, read_labelled
from hangtag.trainer.learning.lesson import Lesson
from hangtag.trainer.learning.new_tags import LearnTagError, NewTags
from hangtag.trainer.recipe.columns import Columns


def lesson_about(
    name: str,
    bundle: Bundle,
    examples: Path,
    others: Sequence[Path],
    columns: Columns,
    kind: FacetKind | None = None,
    parent: str = "",
) -> Lesson:
    """The lesson of a tag, or of all new values of a facet, from a file of `examples`.

    Of a tag the file's labels are not read; of a facet they say which value fits. Products in `others` that carry one
    of the tags are left out.

    Raises:
        LearnTagError: no example has a new value of the facet; or see `Lesson.of`.
        LabelledFileError: a file cannot be used.
    """
    if ":" in name:
        new = NewTags(facet_of(name), (value_of(name),), kind, parent)
        given = read_labelled([examples], columns.model_copy(update={"labelled": False}))
        pairs = [(product.text, frozenset({name})) for product in given]
        return Lesson.of(bundle, new, pairs, _without(new, read_labelled(others, columns)))
    given = read_labelled([examples], columns)
    tags = sorted({tag for product in given for tag in product.tags_of(name)} - set(bundle.schema.tags))
    if not tags:
        msg = (
            f"{examples}: no product is labelled with a new value of {name}: name its column with --column "
            f"facet.{name}=COLUMN, or give a tag {name}:VALUE"
        )
        raise LearnTagError(msg)
    new = NewTags(name, tuple(map(value_of, tags)), kind, parent)
    pairs = [(product.text, product.tags) for product in given if not product.tags.isdisjoint(tags)]
    return Lesson.of(bundle, new, pairs, _without(new, [*given, *read_labelled(others, columns)]))


def lesson_by_description(
    tag: str,
    description: str,
    bundle: Bundle,
    others: Sequence[Path],
    columns: Columns,
    kind: FacetKind | None = None,
    parent: str = "",
) -> Lesson:
    """The lesson of a tag from its name and a sentence: a guess.

    Raises:
        LearnTagError, LabelledFileError: as `lesson_about`.
    """
    value = value_of(tag)
    new = NewTags(facet_of(tag), (value,), kind, parent, is_guess=True)
    pairs = [(text, frozenset({tag})) for text in (ProductText.of(value, description, ""), ProductText.of(value))]
    return Lesson.of(bundle, new, pairs, _without(new, read_labelled(others, columns)))


def _without(new: NewTags, products: Sequence[LabelledProduct]) -> list[ProductText]:
    return [product.text for product in products if product.tags.isdisjoint(new.tags)]
