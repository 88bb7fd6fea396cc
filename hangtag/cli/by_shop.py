"""Tables of a bundle's figures by shop."""

from typing import TYPE_CHECKING

from rich.table import Table

from hangtag.cli.console import make_table

if TYPE_CHECKING:  # it loads scikit-learn
    from hangtag.trainer.judging.by_shop import ByShop


def shop_table(found: "ByShop", most: int) -> Table:
    """The shops with most mistakes."""
    columns = ("shop", "training saw it", "products", "labels", "wrong", "AUTO tags", "AUTO wrong")
    table = make_table(*columns, title=f"shops with most mistakes, of {len(found.shops):,}")
    for shop in found.shops[:most]:
        figures = (shop.products, shop.labels, shop.mistakes, shop.auto, shop.auto - shop.auto_right)
        table.add_row(shop.shop, "no" if shop.is_new else "yes", *map(str, figures))
    return table
