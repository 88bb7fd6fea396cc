"""Settings by the number of training products, for a training without a recipe."""

from typing import NamedTuple

from hangtag.trainer.recipe.recipe import Recipe


class Sized(NamedTuple):
    """Settings for up to `products` training products."""

    products: float
    batch_size: int
    epochs: int
    patience: int


# Few products need small batches and many epochs, or the network takes too few steps to learn rare tags; with many
# products later epochs change little.
_SIZES = (
    Sized(1_000, batch_size=16, epochs=20, patience=5),
    Sized(5_000, batch_size=16, epochs=10, patience=3),
    Sized(50_000, batch_size=32, epochs=6, patience=2),
    Sized(500_000, batch_size=64, epochs=4, patience=2),
    Sized(float("inf"), batch_size=128, epochs=3, patience=1),
)


def by_size(recipe: Recipe, products: int) -> Recipe:
    """The recipe with settings that suit this number of training products, except those that it sets itself."""
    size = next(each for each in _SIZES if products <= each.products)
    chosen = {name: value for name, value in size._asdict().items() if name != "products"}
    return recipe.model_copy(update={name: chosen[name] for name in chosen.keys() - recipe.model_fields_set})


def settings_by_size(recipe: Recipe) -> dict[str, int]:
    """The recipe's values of the settings that `by_size` chooses."""
    return {name: getattr(recipe, name) for name in Sized._fields if name != "products"}
