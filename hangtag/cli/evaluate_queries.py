"""`hangtag evaluate-queries`."""

import sys
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.progress import Progress

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.options import BundleName, EngineName, JsonOutput
from hangtag.cli.trainer_command import trainer_command

if TYPE_CHECKING:
    from hangtag.trainer.judging.judged_answers import Measure
    from hangtag.trainer.judging.shares import Change, Share


def evaluate_queries(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL file of judged texts: text, kind, acceptable.")],
    bundle: BundleName = None,
    against: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Compare with this bundle, or starter, on the same texts.")
    ] = None,
    engine: EngineName = None,
    answers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write each text with the bundle's answer to this JSONL file."),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Measure how a bundle answers what people type: queries, utterances and titles with judged tags.

    Each text is answered as SuggestTags does. Shown per kind of text: top answers that are acceptable (REVIEW
    included), AUTO tags served and right, and what must not be served: negated values, attributes that the text does
    not name, tags of texts that mean no product. Intervals are 95 % bootstrap intervals, those of changes are paired.

    Example: hangtag evaluate-queries judged.jsonl --bundle runs/shop/bundle --against starter
    """
    with trainer_command("no result was kept", answers):
        from hangtag.settings import load_settings  # noqa: PLC0415
        from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415
        from hangtag.trainer.data.judged import read_judged  # noqa: PLC0415
        from hangtag.trainer.files.atomic_file import write_text  # noqa: PLC0415
        from hangtag.trainer.judging.judged_answers import evaluate_queries as evaluate  # noqa: PLC0415

        texts = read_judged(file)
        changes = {name: value for name, value in (("bundle", bundle), ("engine", engine)) if value is not None}
        settings = load_settings().model.model_copy(update=changes)
        tagger = open_tagger(settings)
        other = None if against is None else open_tagger(settings.model_copy(update={"bundle": against}))
        with Progress(console=plain_console(stderr=True), transient=True) as bar:
            task = bar.add_task("answering", total=len(texts) * (1 if other is None else 2))
            result = evaluate(tagger, texts, other, lambda count: bar.advance(task, count))
        if answers:
            write_text(answers, "".join(f"{orjson.dumps(each.to_json()).decode()}\n" for each in result.answers))
    if as_json:
        sys.stdout.write(orjson.dumps(result.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    stderr = plain_console(stderr=True)
    for name, each in ((settings.bundle, tagger), (against, other)):
        if each is not None:
            stderr.print(f"bundle {name}, version {each.bundle.version[:12]}", soft_wrap=True)
    console = plain_console()
    for kind, measures in result.kinds.items():
        headers = ("measure", "share", "95 %", "texts", *(["change", "95 %"] if other else []))
        table = make_table(*headers, title=f"{kind} ({result.texts[kind]} texts)")
        for measure in measures:
            table.add_row(*_row(measure))
        console.print(table)
    if result.missing:
        console.print(f"in no figure, because a bundle lacks these facets: {', '.join(result.missing)}", soft_wrap=True)


def _row(measure: "Measure") -> list[str]:
    share = measure.share
    cells = [measure.name, _percent(share.value) if share.of else "-", _interval(share), f"{share.hits} of {share.of}"]
    if measure.change is not None:
        cells += [_points(measure.change.difference), _interval(measure.change)]
    return cells


def _interval(of: "Share | Change") -> str:
    return "-" if isnan(of.low) else f"{100 * of.low:.1f} to {100 * of.high:.1f}"


def _points(value: float) -> str:
    return "-" if isnan(value) else f"{100 * value:+.1f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
