"""What `hangtag learn-tag` prints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from hangtag.cli.console import make_table, plain_console, short_title
from hangtag.tags.tag import value_of

if TYPE_CHECKING:  # these load numpy and scipy
    from hangtag.trainer.learning.left_out import LeftOut, TagLeftOut
    from hangtag.trainer.learning.sample import Sample, Tagged

# Of the products that get a tag: the most confident ones, and the least confident ones.
_MOST, _LEAST = 10, 5


def print_left_out(tried: "LeftOut | None") -> None:
    """Print how good the tags are on examples that they were not learnt from."""
    console = plain_console()
    if tried is None:
        console.print("a guess from a name and a sentence: only --examples shows how often it is right", soft_wrap=True)
        return
    for tag, each in tried.tags.items():
        console.print(
            f"{tag}: {each.found} of {each.examples} examples get the tag if it is learnt without them (at least "
            f"{each.at_least:.0%} of all such products, at 95 % confidence), and {each.wrong} of {each.others} other "
            "products get it",
            soft_wrap=True,
        )
        console.print(f"{tag}: with half of the examples {each.found_with_half} do; {_more(each)}", soft_wrap=True)


def _more(each: "TagLeftOut") -> str:
    """What more examples would change, in a few words."""
    if each.found == each.examples:
        return "more examples would show this with more certainty"
    if each.with_twice <= each.found / each.examples:
        return "more examples like these would hardly help"
    return f"with {each.examples} more examples about {each.with_twice:.0%} would"


def print_sample(seen: "Sample", tags: Sequence[str]) -> None:
    """Print which products of a file would get the tags."""
    console = plain_console()
    drawn = f" drawn from {seen.of:,}" if seen.products < seen.of else ""
    for tag in tags:
        its = [each for each in seen.tagged if each.found.tag == tag]
        console.print(f"{len(its):,} of {seen.products:,} products{drawn} would get {tag}", soft_wrap=True)
        if its:
            console.print(_table(its))


def _table(found: "Sequence[Tagged]") -> Table:
    is_shortened = len(found) > _MOST + _LEAST
    table = make_table("confidence", "band", "instead of", "title")
    for each in found[:_MOST] if is_shortened else found:
        table.add_row(*_cells(each))
    if is_shortened:
        table.add_row("...", "", "", f"{len(found) - _MOST - _LEAST:,} more")
        for each in found[-_LEAST:]:
            table.add_row(*_cells(each))
    return table


def _cells(each: "Tagged") -> tuple[str, ...]:
    instead = ", ".join(map(value_of, each.instead_of))
    return f"{each.found.confidence:.2f}", each.found.band.value, instead, short_title(each.product.title)
