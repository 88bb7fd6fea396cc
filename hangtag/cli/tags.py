"""`hangtag tags` and `hangtag suggest`."""

from typing import Annotated

import typer

_Server = Annotated[
    str | None, typer.Option(help="host:port; default: from the settings, or the demo running in this folder")
]
_Timeout = Annotated[float, typer.Option(min=0.001, help="seconds to wait for a reply")]
_Json = Annotated[bool, typer.Option("--json", help="print JSON to standard output")]


def tags(
    product_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="product ids", show_default=False)],
    server: _Server = None,
    timeout: _Timeout = 5,
    as_json: _Json = False,
) -> None:
    """Look up the tags of products. The exit code is 1 if all of them are unknown.

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
    text: Annotated[str, typer.Argument(help="a query, an utterance or a product title")],
    description: Annotated[str, typer.Option(help="a longer description")] = "",
    category: Annotated[str, typer.Option(help="the shop's own category text")] = "",
    server: _Server = None,
    timeout: _Timeout = 5,
    as_json: _Json = False,
) -> None:
    """Suggest tags for a text, as a search box or a bot does. Nothing is stored.

    Example: hangtag suggest "warm waterproof boots for my daughter"
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.rpc import TagClient  # noqa: PLC0415
    from hangtag.cli.show import as_dict, print_json, suggestion_table  # noqa: PLC0415

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
