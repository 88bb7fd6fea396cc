"""Tables of what distinguishes two runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hangtag.cli.console import make_table, plain_console, short_title
from hangtag.tags.tag import value_of

if TYPE_CHECKING:  # they load scikit-learn
    from hangtag.tags.tagset import ScoredTag
    from hangtag.trainer.releasing.pair import Pair

_MOST = 20


def print_pair(pair: "Pair") -> None:
    """Print the surest differences between tags, and products that are tagged differently."""
    console = plain_console()
    title = f"F1 by tag on {pair.products:,} products; q: p-value of the difference, adjusted (Benjamini-Hochberg)"
    table = make_table("tag", "products", "first", "second", "difference", "95 % interval", "q", title=title)
    for each in pair.tags[:_MOST]:
        f1 = each.f1
        figures = (f"{f1.current:.1f}", f"{f1.candidate:.1f}", f"{f1.points:+.1f}", f"{f1.low:+.1f} to {f1.high:+.1f}")
        table.add_row(each.tag, str(each.support), *figures, f"{each.q_of_difference:.3f}")
    console.print(table)
    title = f"{len(pair.disagreements):,} facets of products are tagged differently; the first of them"
    table = make_table("facet", "first", "second", "labelled", "right", "title", title=title)
    for found in pair.disagreements[:_MOST]:
        labels = "" if found.labels is None else ", ".join(map(value_of, found.labels)) or "none"
        table.add_row(
            found.facet, _tags(found.first), _tags(found.second), labels, found.right, short_title(found.product.title)
        )
    console.print(table)


def _tags(tags: "Sequence[ScoredTag]") -> str:
    return ", ".join(f"{value_of(each.tag)} {each.confidence:.2f} {each.band.value}" for each in tags) or "none"
