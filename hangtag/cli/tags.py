"""`hangtag tags` and `hangtag suggest`."""

from typing import Annotated

import typer

from hangtag.cli.options import JsonOutput

_Server = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Address of the server. Default: the settings, or the demo running in this folder."
    ),
]
_Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="How long to wait for a reply.")]


def tags(
    product_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Product ids.", show_default=False)],
    server: _Server = None,
    timeout: _Timeout = 5,
    as_json: JsonOutput = False,
) -> None:
    """Look up the tags of products.

    The exit code is 1 if all of the products are unknown.

    Example: hangtag tags demo-0001 demo-0042
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.rpc import TagClient  # noqa: PLC0415
    from hangtag.cli.show import as_dict, print_json, products_table  # noqa: PLC0415
    from hangtag.v1 import tags_pb2  # noqa: PLC0415

    with TagClient(_address(server), timeout) as client:
        products = client.look_up(product_ids)
    if as_json:
        print_json([as_dict(product) for product in products])
    else:
        make_console().print(products_table(products))
    if all(product.freshness == tags_pb2.FRESHNESS_UNKNOWN for product in products):
        raise typer.Exit(1)


def suggest(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A query, an utterance or the title of a product.")],
    description: Annotated[str, typer.Option(metavar="TEXT", help="Description of the product.")] = "",
    category: Annotated[str, typer.Option(metavar="TEXT", help="The shop's category of the product.")] = "",
    bundle: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Bundle to run on this machine, or starter, instead of asking a server."),
    ] = None,
    server: _Server = None,
    timeout: _Timeout = 5,
    as_json: JsonOutput = False,
) -> None:
    """Suggest tags for a text, as a search box or a bot does; nothing is stored.

    Example: hangtag suggest "warm waterproof boots for my daughter"
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.rpc import TagClient  # noqa: PLC0415
    from hangtag.cli.show import as_dict, print_json, suggestion_table  # noqa: PLC0415

    if bundle is not None:
        from hangtag.cli.local_suggestion import suggest_with  # noqa: PLC0415

        (answer,) = suggest_with(bundle, [text], description, category)
    else:
        with TagClient(_address(server), timeout) as client:
            answer = client.suggest(text, description, category)
    if as_json:
        print_json(as_dict(answer))
    else:
        make_console().print(suggestion_table(text, answer))


def _address(server: str | None) -> str:
    from hangtag.cli.running import settings_here  # noqa: PLC0415

    if server is None:
        settings = settings_here().server
        return f"{settings.host}:{settings.port}"
    host, colon, port = server.rpartition(":")
    if not (host and colon and port.isdigit()):
        msg = f"{server!r} is not host:port, for example 127.0.0.1:50051"
        raise typer.BadParameter(msg, param_hint="--server")
    return server
