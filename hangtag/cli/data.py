"""`hangtag data`: what an ML engineer asks of labelled files before training."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.table import Table
from rich.text import Text

from hangtag.cli.errors import CommandError
from hangtag.cli.plain_console import plain_console
from hangtag.cli.step_bar import StepBar
from hangtag.cli.stopping import Stopped, stopping
from hangtag.cli.tables import make_table
from hangtag.tags.tag import value_of

if TYPE_CHECKING:  # these bring scikit-learn and more with them
    from hangtag.trainer.data.check import DataCheck
    from hangtag.trainer.data.label_noise import LabelNoise
    from hangtag.trainer.data.labelled import LabelledRow
    from hangtag.trainer.data.rows import BadRow

_NEEDS_EXTRA = "labelled files need more packages: pip install 'hangtag[train]'"
# Rows of a list that the screen shows; --json has all.
_SHOWN = 10

data = typer.Typer(no_args_is_help=True, help="Check, split and clean labelled files before training.")

Files = Annotated[list[Path], typer.Argument(help="JSONL, CSV or Parquet; JSONL and CSV also .gz")]
Column = Annotated[
    list[str] | None,
    typer.Option(help="where a foreign file keeps what: title=Name, facet.color=Farbe; repeat it"),
]
Columns = Annotated[Path | None, typer.Option(help="the same as a TOML file")]
Json = Annotated[Path | None, typer.Option("--json", help="write every finding here")]
Tell = Callable[[str, int, int], None]
Alike = Annotated[float, typer.Option(min=0.3, max=1, help="similarity from which texts are near duplicates")]


@data.command()
def check(
    files: Files,
    column: Column = None,
    columns: Columns = None,
    base_model: Annotated[str, typer.Option(help="whose tokens texts are measured in")] = "starter",
    max_tokens: Annotated[int, typer.Option(min=8, help="where training will cut texts")] = 128,
    duplicates: Alike = 0.8,
    fewest: Annotated[int, typer.Option(min=1, help="examples that a tag should have")] = 5,
    json: Json = None,
) -> None:
    """Look for bad rows, duplicates, conflicting labels, rare tags, imbalance and texts that will be cut.

    The exit code is 1 if rows are bad: training would refuse them.

    Example: hangtag data check shop.csv --column title=Name --column facet.color=Colour --json check.json
    """
    with _working("nothing is written; the same command starts again"):
        from hangtag.trainer.data.check import CheckSettings  # noqa: PLC0415 (datasketch loads only here)
        from hangtag.trainer.data.check import check as look_through  # noqa: PLC0415
        from hangtag.trainer.fitting.base_model import resolve_base_model  # noqa: PLC0415
        from hangtag.trainer.fitting.model import load_tokenizer  # noqa: PLC0415

        settings = CheckSettings(max_tokens, duplicates, fewest)
        with _progress() as tell:
            rows, bad = _read(files, column, columns)
            found = look_through(rows, bad, load_tokenizer(resolve_base_model(base_model)), settings, tell)
        _print_check(found, fewest)
        _write(json, found.to_json)
    if bad:
        raise typer.Exit(1)


@data.command()
def split(
    files: Files,
    out: Annotated[Path, typer.Option(help="folder for train, validation and test")],
    column: Column = None,
    columns: Columns = None,
    validation: Annotated[float, typer.Option(min=0.01, max=0.9, help="part of the products")] = 0.15,
    test: Annotated[float, typer.Option(min=0, max=0.9, help="likewise; 0: no test file")] = 0.0,
    seed: Annotated[int, typer.Option(help="another seed, another split")] = 7,
    duplicates: Alike = 0.8,
    disjoint: Annotated[
        str,
        typer.Option(help="field whose values (shops) never stand on two sides; `id:-`: what ids have before the -"),
    ] = "",
    gz: Annotated[bool, typer.Option("--gz", help="write .jsonl.gz")] = False,
) -> None:
    """Split labelled files: every tag in every part by its share, near duplicates never on two sides.

    An earlier split in the folder is replaced once this one is written; a file that is read never is.

    Example: hangtag data split shop.csv --column facet.color=Colour --out data --validation 0.15 --disjoint shop
    """
    if validation + test >= 1:
        msg = "--validation and --test leave nothing to train on"
        raise typer.BadParameter(msg)
    with _working("the same command starts again"):
        from hangtag.trainer.data.split import SplitSettings  # noqa: PLC0415
        from hangtag.trainer.data.split import split as split_rows  # noqa: PLC0415
        from hangtag.trainer.data.split_files import check_folder, write_split  # noqa: PLC0415

        check_folder(out, files)
        prefix = disjoint.removeprefix("id:") if disjoint.startswith("id:") else ""
        settings = SplitSettings(validation, test, seed, duplicates, "" if prefix else disjoint, prefix)
        with _progress() as tell:
            rows, bad = _read(files, column, columns)
            if bad:
                msg = f"{bad[0]} ({len(bad)} bad rows): mend or remove them; `hangtag data check` lists all"
                raise CommandError(msg)
            report = write_split(out, rows, split_rows(rows, settings, tell), zipped=gz, inputs=files)
    table = make_table("part", "products", "tags it lacks")
    for name, count in report["products"].items():
        table.add_row(name, f"{count:,}", str(len(report["missing"][name])))
    console = plain_console()
    console.print(table)
    console.print(
        f"{report['groups']:,} groups that stay together, the largest of {report['largest_group']:,} products; "
        f"counts per tag in {out / 'split.json'}",
        soft_wrap=True,
    )


@data.command()
def noise(
    files: Files,
    column: Column = None,
    columns: Columns = None,
    folds: Annotated[int, typer.Option(min=2, max=20, help="models per facet; each sees all but one part")] = 5,
    top: Annotated[int, typer.Option(min=1, help="labels to show")] = 25,
    json: Json = None,
) -> None:
    """Rank labels that are probably wrong, by a fast linear model that has not seen them. Texts are not shown.

    Bad rows are left out, and counted.

    Example: hangtag data noise shop.jsonl --top 50 --json doubts.json
    """
    with _working("nothing is written; the same command starts again"):
        from hangtag.trainer.data.label_noise import find_label_noise  # noqa: PLC0415 (cleanlab loads only here)

        with _progress() as tell:
            rows, bad = _read(files, column, columns)
            if not rows:
                msg = f"{bad[0]} ({len(bad)} bad rows): no row is left; `hangtag data check` lists all"
                raise CommandError(msg)
            found = find_label_noise([row.product for row in rows], folds, tell)
        _print_noise(rows, bad, found, top)
        if found.left_out:
            plain_console().print(
                f"{len(found.left_out)} tags were not judged: fewer than {folds} products have them, "
                "or all of the facet's products do"
            )
        _write(json, lambda: _noise_json(rows, bad, found))


@contextmanager
def _working(when_stopped: str) -> Iterator[None]:
    """What the user can mend becomes one line; Ctrl-C says how to go on."""
    console = plain_console(stderr=True)
    try:
        from hangtag.trainer.data.columns import ColumnsError  # noqa: PLC0415
        from hangtag.trainer.data.rows import LabelledFileError  # noqa: PLC0415
        from hangtag.trainer.fitting.base_model import BaseModelError  # noqa: PLC0415

        mendable = (ColumnsError, LabelledFileError, BaseModelError)
        try:
            with stopping():
                yield
        except mendable as error:
            raise CommandError(str(error)) from error
    except ImportError as error:
        msg = f"{error}; {_NEEDS_EXTRA}"
        raise CommandError(msg) from error
    except Stopped:
        console.print(f"stopped; {when_stopped}")
        raise typer.Exit(130) from None


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar that is told the stage, how much of it is done, and how much there is."""
    with StepBar(plain_console(stderr=True)) as bar:
        bar.stage("reading files")
        yield lambda stage, done, total: bar.step(f"{stage}  {done:,}/{total:,}", done, total)


def _read(
    files: Sequence[Path], pairs: Sequence[str] | None, toml: Path | None
) -> tuple[list["LabelledRow"], list["BadRow"]]:
    from hangtag.trainer.data.columns import Columns as Mapping  # noqa: PLC0415
    from hangtag.trainer.data.labelled import read_rows  # noqa: PLC0415

    rows, bad = read_rows(files, Mapping.read(toml, pairs or ()))
    if not rows and not bad:
        msg = f"there is no product in {', '.join(map(str, files))}"
        raise CommandError(msg)
    return rows, bad


def _write(path: Path | None, findings: Callable[[], dict[str, Any]]) -> None:
    if path is None:
        return
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(orjson.dumps(findings(), option=orjson.OPT_INDENT_2))
        part.replace(path)
    except OSError as error:
        msg = f"{path}: the findings cannot be written: {error.strerror}"
        raise CommandError(msg) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _plain(value: str) -> Text:
    """What comes from data, as it stands there: no markup, and nothing that a terminal obeys."""
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value))


def _bad_rows(bad: Sequence["BadRow"], title: str) -> Table:
    table = make_table("file", "line", "what is wrong", title=title)
    for each in bad[:_SHOWN]:
        table.add_row(_plain(each.file.name), str(each.line), _plain(each.reason))
    return table


def _print_check(found: "DataCheck", fewest: int) -> None:
    console = plain_console()
    if found.bad:
        console.print(_bad_rows(found.bad, "bad rows"))
    facets = make_table("facet", "labelled", "none", "several", "tags", f"below {fewest}", "largest", "evenness")
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
    listed = f"; of {full:,} texts only the first {most} alike are listed" if full else ""
    lines = [
        ("rows", len(found.rows), "that can be used"),
        ("bad rows", len(found.bad), "training refuses the file until they are mended"),
        ("repeated ids", len(found.same_id), "product ids on more than one row"),
        ("empty texts", len(found.empty), "nothing is left after cleaning"),
        ("exact duplicates", exact, "rows whose text stands there already"),
        ("near duplicates", near, f"pairs; `hangtag data split` keeps them on one side{listed}"),
        ("label conflicts", len(found.conflicts), f"duplicates with other labels; {named} name them (variants)"),
        ("look-alike tags", len(found.look_alikes), "the same but for case and spaces: merge them?"),
    ]
    for name, count, meaning in lines:
        summary.add_row(name, f"{count:,}", meaning)
    if lengths := found.lengths:
        size = f"median {lengths.median:.0f}, 95 % up to {lengths.p95:.0f}, longest {lengths.longest:,}"
        cut = f"{lengths.cut / len(found.rows):.1%} are cut at {lengths.limit}, {lengths.lost:.1%} of all tokens lost"
        summary.add_row("tokens", f"{lengths.mean:.0f}", f"mean; {size}; {cut}")
    console.print(summary)


def _print_noise(rows: Sequence["LabelledRow"], bad: Sequence["BadRow"], found: "LabelNoise", top: int) -> None:
    console = plain_console()
    if bad:
        console.print(_bad_rows(bad, f"{len(bad):,} bad rows are left out"))
    table = make_table("file", "line", "product", "facet", "given", "more likely", "probability of given")
    for each in found.suspicions[:top]:
        row = rows[each.place]
        names = [value_of(name) or "none" for name in (each.given, each.suggested)]
        cells = (row.file.name, str(row.line), row.product.product_id, each.facet, *names, f"{each.score:.3f}")
        table.add_row(*map(_plain, cells))
    console.print(table)
    console.print(f"{len(found.suspicions):,} of {sum(found.judged.values()):,} labels are doubted")


def _noise_json(rows: Sequence["LabelledRow"], bad: Sequence["BadRow"], found: "LabelNoise") -> dict[str, Any]:
    return {
        "rows": len(rows),
        "rows_left_out": len(bad),
        "judged": found.judged,
        "left_out": list(found.left_out),
        "suspicions": [
            {
                **rows[each.place].place,
                "facet": each.facet,
                "given": each.given,
                "suggested": each.suggested,
                "score": round(each.score, 6),
            }
            for each in found.suspicions
        ],
    }
