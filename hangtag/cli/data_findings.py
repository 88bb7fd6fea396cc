"""What `hangtag data` prints and writes."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from hangtag.cli.console import make_table, plain_console, short_title
from hangtag.tags.tag import value_of

if TYPE_CHECKING:  # these load scikit-learn
    from hangtag.trainer.data.check import DataCheck
    from hangtag.trainer.data.labelled import Reading
    from hangtag.trainer.data.row import BadRow
    from hangtag.trainer.judging.label_noise import LabelNoise
    from hangtag.trainer.recipe.columns import Columns

# Bad rows, and groups of tags, that are printed; --json writes all.
_MAX_ROWS = 10
_PLAIN_BUT_SEPARATOR = re.compile(r"""([\w.:=-]+:)([^\w\s"'$`\\!]+)""")


def _plain(value: str) -> Text:
    """Text from a file, printed literally: without markup and without control characters."""
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value))


def _bad_rows(bad: Sequence["BadRow"], title: str) -> Table:
    table = make_table("file", "line", "problem", title=title)
    for each in bad[:_MAX_ROWS]:
        table.add_row(_plain(each.file.name), str(each.line), _plain(each.reason))
    return table


def shell_word(argument: str) -> str:
    """The argument as one writes it in a shell: quoted if need be, or only its separator (`class=path:">"`)."""
    separated = _PLAIN_BUT_SEPARATOR.fullmatch(argument)
    return f'{separated[1]}"{separated[2]}"' if separated else shlex.quote(argument)


def print_check(found: "DataCheck", fewest: int, columns: "Columns") -> None:
    """Print what `hangtag data check` found; `columns` is the mapping that the files were read with."""
    console = plain_console()
    reading = found.reading
    if reading.bad:
        console.print(_bad_rows(reading.bad, "bad rows"))
    facets = make_table(
        "facet", "labelled", "no tag", "several tags", "tags", f"tags below {fewest}", "largest", "evenness"
    )
    for name, facet in found.balance.items():
        rare = sum(count < fewest for count in facet.tags.values())
        counts = (facet.labelled, facet.none, facet.several, len(facet.tags), rare)
        facets.add_row(
            _plain(name), *(f"{each:,}" for each in counts), f"{facet.largest_share:.0%}", f"{facet.evenness:.2f}"
        )
    console.print(facets)
    summary = make_table("finding", "count", "what it means", show_header=False)
    near, exact = len(found.duplicates.near), sum(len(group) - 1 for group in found.duplicates.exact)
    named = sum(conflict.is_named for conflict in found.conflicts)
    full, most = found.duplicates.full, found.duplicates.most
    limited = f"; for {full:,} texts only the first {most} are listed" if full else ""
    lines = [
        ("good rows", len(reading.good), "rows that training can use"),
        ("bad rows", len(reading.bad), "training refuses the file until they are fixed or removed"),
        ("empty rows", reading.empty, "blank lines, and rows whose cells are all blank; they are skipped"),
        ("repeated ids", len(found.same_id), "product ids on more than one row"),
        (
            "ids like others",
            len(found.same_id_but_case),
            "groups of ids that differ only in case: they are different products",
        ),
        ("empty texts", len(found.empty), "rows without text after cleaning"),
        ("exact duplicates", exact, "rows with the text of an earlier row"),
        ("near duplicates", near, f"pairs; `hangtag data split` keeps each pair in one file{limited}"),
        (
            "label conflicts",
            len(found.conflicts),
            f"duplicates with different labels; in {named} the texts contain the labels (variants)",
        ),
        (
            "look-alike tags",
            len(found.look_alikes),
            "groups that probably mean the same: `hangtag data merge` asks for each",
        ),
        (
            "missing values",
            len(found.missing_values),
            "tags that probably mean no value: `hangtag data merge` removes them; --column none=VALUE: none fits",
        ),
    ]
    for name, count, meaning in lines:
        summary.add_row(name, f"{count:,}", meaning)
    if lengths := found.lengths:
        size = f"median {lengths.median:.0f}, 95 % up to {lengths.p95:.0f}, longest {lengths.longest:,}"
        cut = (
            f"{lengths.cut / lengths.measured:.1%} truncated at {lengths.limit}, {lengths.lost:.1%} of all tokens lost"
        )
        if lengths.measured < len(reading.good):
            cut += f"; in {lengths.measured:,} texts, spread evenly"
        summary.add_row("tokens", f"{lengths.mean:.0f}", f"mean; {size}; {cut}")
    console.print(summary)
    for title, groups in (("look-alike tags", found.look_alikes), ("missing values", [found.missing_values])):
        if any(groups):
            console.print(_tag_groups(title, groups))
    for hint in _separator_hints(found, columns):
        console.print(hint, soft_wrap=True)
    print_notes(reading)


def _separator_hints(found: "DataCheck", columns: "Columns") -> Iterator[str]:
    """What to give for facets whose values are more than one."""
    for facet, separator in found.paths.items():
        argument = shell_word(f"{facet}={columns.facet.get(facet, 'COLUMN')}:{separator}")
        yield f"{facet} holds category paths: --column {argument} makes a facet of each level, with parents"
    for facet, separator in found.lists.items():
        argument = shell_word(f"facet.{facet}={columns.facet.get(facet, 'COLUMN')}:{separator}")
        yield f"{facet} holds several values in a cell: --column {argument} takes them apart"


def _tag_groups(title: str, groups: Sequence[Mapping[str, int]]) -> Table:
    """Tags with their numbers of products, escaped where two of them would look the same."""
    from hangtag.trainer.data.label_balance import escaped  # noqa: PLC0415

    table = make_table("tag", "products", "characters", title=title)
    for group in groups[:_MAX_ROWS]:
        for tag, count in group.items():
            table.add_row(_plain(tag), f"{count:,}", "" if escaped(tag) == tag else escaped(tag))
        table.add_section()
    if len(groups) > _MAX_ROWS:
        table.caption = f"and {len(groups) - _MAX_ROWS:,} more groups, which --json lists"
    return table


def print_notes(reading: "Reading") -> None:
    """Print what to know about how the files were read."""
    for note in (note for each in reading.files for note in each.notes):
        plain_console().print(Text(note), soft_wrap=True)


def print_noise(reading: "Reading", found: "LabelNoise", top: int) -> None:
    """Print the labels that are most probably wrong."""
    console = plain_console()
    if bad := reading.bad:
        console.print(_bad_rows(bad, f"{len(bad):,} bad rows were skipped"))
    table = make_table("file", "line", "product", "facet", "label", "more likely", "probabilities", "title")
    for each in found.suspicions[:top]:
        row = reading.good[each.place]
        values = [value_of(name) or "none" for name in (each.given, each.suggested)]
        scores = f"{each.score:.3f}, {each.suggested_score:.3f}"
        place = row.file.name, str(row.line), row.product.product_id
        cells = (*place, each.facet, *values, scores, short_title(row.product.title))
        table.add_row(*map(_plain, cells))
    console.print(table)
    console.print(f"{len(found.suspicions):,} of {sum(found.checked.values()):,} labels are probably wrong")
    print_notes(reading)


def noise_json(reading: "Reading", found: "LabelNoise") -> dict[str, Any]:
    """What `hangtag data noise --json` writes."""
    return {
        "files": [each.to_json() for each in reading.files],
        "rows": len(reading.good),
        "rows_left_out": len(reading.bad),
        "empty_rows": reading.empty,
        "judged": found.checked,
        "left_out": list(found.left_out),
        "suspicions": (
            {
                **reading.good[each.place].place,
                "facet": each.facet,
                "given": each.given,
                "suggested": each.suggested,
                "score": round(each.score, 6),
                "suggested_score": round(each.suggested_score, 6),
            }
            for each in found.suspicions
        ),
    }
