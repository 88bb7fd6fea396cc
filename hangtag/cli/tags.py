"""`hangtag tags` and `hangtag suggest`."""

from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.options import Facets, JsonOutput, MaxTags

if TYPE_CHECKING:
    from hangtag.cli.rpc import TagClient
    from hangtag.settings import ServerSettings
    from hangtag.v1 import tags_pb2

Server = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Address of the server. Default: the settings, or the demo running in this folder."
    ),
]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="How long to wait for a reply.")]


def tags(
    product_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Product ids.", show_default=False)],
    facet: Facets = None,
    max_tags: MaxTags = None,
    wait: Annotated[
        int | None,
        typer.Option(
            metavar="VERSION",
            min=1,
            help="Wait until the tags of this version of the one product are stored, as long as --timeout allows.",
        ),
    ] = None,
    server: Server = None,
    timeout: Timeout = 5,
    as_json: JsonOutput = False,
) -> None:
    """Look up the tags of products.

    The exit code is 1 if all of the products are unknown.

    Example: hangtag tags demo-0001 demo-0042
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.show import as_dict, print_json, products_table  # noqa: PLC0415
    from hangtag.v1 import tags_pb2  # noqa: PLC0415

    if wait is not None and len(product_ids) > 1:
        msg = "it waits for one product; give one id"
        raise typer.BadParameter(msg, param_hint="--wait")
    with open_client(server, timeout) as client:
        narrow = _filter(facet, max_tags)
        products = (
            client.look_up(product_ids, narrow) if wait is None else [client.wait_for(product_ids[0], wait, narrow)]
        )
    if as_json:
        print_json([as_dict(product) for product in products])
    else:
        make_console().print(products_table(products))
    if all(product.freshness == tags_pb2.FRESHNESS_UNKNOWN for product in products):
        raise typer.Exit(1)


def suggest(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT...", help="Queries, utterances or titles of products.", show_default=False),
    ] = None,
    file: Annotated[
        typer.FileText | None,
        typer.Option(metavar="FILE", encoding="utf-8", help="File with one text a line; - for standard input."),
    ] = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="Description of the product.")] = "",
    category: Annotated[str, typer.Option(metavar="TEXT", help="The shop's category of the product.")] = "",
    facet: Facets = None,
    max_tags: MaxTags = None,
    bundle: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Bundle to run on this machine, or starter, instead of asking a server."),
    ] = None,
    server: Server = None,
    timeout: Timeout = 5,
    as_json: JsonOutput = False,
) -> None:
    """Suggest tags for texts, as a search box or a bot does; nothing is stored.

    With several texts or a file, JSON is a list in their order. Empty lines of a file are left out.

    Example: hangtag suggest "warm waterproof boots for my daughter"
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.show import as_dict, print_json, suggestions_table  # noqa: PLC0415

    asked = [*(texts or ()), *_lines(file)]
    if not asked:
        msg = "give at least one text, or a file with texts"
        raise typer.BadParameter(msg, param_hint="TEXT")
    is_one = len(asked) == 1 and file is None
    if (description or category) and not is_one:
        msg = "--description and --category belong to one product: give one TEXT with them"
        raise typer.BadParameter(msg)
    tag_filter = _filter(facet, max_tags)
    if bundle is not None:
        from hangtag.cli.local_suggestion import suggest_with  # noqa: PLC0415

        answers = suggest_with(bundle, asked, description, category, tag_filter)
    else:
        with open_client(server, timeout) as client:
            if is_one:
                answers = [client.suggest(asked[0], description, category, tag_filter)]
            else:
                answers = _suggest_all(client, asked, tag_filter)
    if as_json:
        print_json(as_dict(answers[0]) if is_one else [as_dict(answer) for answer in answers])
    else:
        make_console().print(suggestions_table(zip(asked, answers, strict=True)))


def _suggest_all(
    client: "TagClient", texts: list[str], tag_filter: "tags_pb2.TagFilter | None"
) -> "list[tags_pb2.SuggestTagsResponse]":
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.progress import StepBar  # noqa: PLC0415

    answers: list[tags_pb2.SuggestTagsResponse] = []
    with StepBar(make_console(stderr=True)) as bar:
        for some in client.suggest_all(texts, tag_filter):
            answers += some
            bar.step(f"{len(answers)} of {len(texts)} texts", len(answers), len(texts))
    return answers


def _lines(file: typer.FileText | None) -> list[str]:
    from hangtag.cli.errors import CommandError  # noqa: PLC0415

    try:
        return [line.strip() for line in file or () if line.strip()]
    except UnicodeDecodeError as error:
        msg = f"{file.name if file else ''}: not a text in UTF-8; convert it first"
        raise CommandError(msg) from error


def _filter(facets: list[str] | None, max_tags: int | None) -> "tags_pb2.TagFilter | None":
    from hangtag.v1 import tags_pb2  # noqa: PLC0415

    return tags_pb2.TagFilter(facets=facets, max_tags=max_tags or 0) if facets or max_tags else None


def open_client(server: str | None, timeout_s: float) -> "TagClient":
    """A client of the server that is named, else of the demo in this folder, else of the settings."""
    from hangtag.cli.rpc import TagClient  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415

    settings = settings_here()
    return TagClient(_address(server, settings.server), settings.client, timeout_s)


def _address(server: str | None, settings: "ServerSettings") -> str:
    if server is None:
        return f"{settings.host}:{settings.port}"
    host, colon, port = server.rpartition(":")
    if not (host and colon and port.isdigit()):
        msg = f"{server!r} is not host:port, for example 127.0.0.1:50051"
        raise typer.BadParameter(msg, param_hint="--server")
    return server
