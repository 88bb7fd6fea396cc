"""Every command of `hangtag`. Commands import slow modules inside their functions, so that `hangtag --help` is fast."""

from collections.abc import Callable
from typing import Annotated

import typer

from hangtag.cli.arrivals import arrivals
from hangtag.cli.bundle import bundle
from hangtag.cli.bundle_summary import show
from hangtag.cli.clarify import clarify, similar
from hangtag.cli.compare import compare
from hangtag.cli.config import config
from hangtag.cli.curve import curve
from hangtag.cli.data import data
from hangtag.cli.dead_letters import deadletters
from hangtag.cli.demo import demo
from hangtag.cli.evaluate_queries import evaluate_queries
from hangtag.cli.export import export
from hangtag.cli.find import find, taglist
from hangtag.cli.help_text import help_text
from hangtag.cli.index import index
from hangtag.cli.installed import version
from hangtag.cli.learn import learn_tag
from hangtag.cli.leave_out import leave_out
from hangtag.cli.mistakes import errors
from hangtag.cli.models import model
from hangtag.cli.predict import predict
from hangtag.cli.pretrain import pretrain
from hangtag.cli.publish import publish
from hangtag.cli.rebuild import rebuild
from hangtag.cli.release import release
from hangtag.cli.report import report
from hangtag.cli.resume import resume
from hangtag.cli.retag import retag
from hangtag.cli.schema import schema
from hangtag.cli.serve import serve
from hangtag.cli.tags import suggest, tags
from hangtag.cli.token import token
from hangtag.cli.train import evaluate, train
from hangtag.cli.tune import tune
from hangtag.cli.up import up
from hangtag.cli.verify import verify
from hangtag.cli.work import work


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"hangtag {version()}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Tag the products of a shop with BERT: events in from Kafka, look-ups over gRPC. "
    "To see it run: [bold]hangtag demo[/]",
)


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    # The options of `hangtag` itself.
    pass


_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Use": (demo, tags, suggest, find, taglist, clarify, similar, predict, schema, publish, export),
    "Run": (up, work, arrivals, serve, resume, rebuild, verify, config),
    "Train": (
        pretrain,
        train,
        evaluate,
        evaluate_queries,
        report,
        errors,
        tune,
        curve,
        leave_out,
        compare,
        release,
        show,
        learn_tag,
    ),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(help=help_text(command), rich_help_panel=panel)(command)
app.add_typer(deadletters, name="deadletters", rich_help_panel="Use")
app.add_typer(data, name="data", rich_help_panel="Train")
app.add_typer(bundle, name="bundle", rich_help_panel="Run")
app.add_typer(index, name="index", rich_help_panel="Run")
app.add_typer(model, name="model", rich_help_panel="Run")
app.add_typer(retag, name="retag", rich_help_panel="Run")
app.add_typer(token, name="token", rich_help_panel="Run")
