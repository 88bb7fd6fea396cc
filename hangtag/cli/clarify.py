"""`hangtag clarify` and `hangtag similar`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.options import JsonOutput, WithReview
from hangtag.cli.tags import Server, Timeout, open_client

if TYPE_CHECKING:
    from hangtag.cli.rpc import TagClient
    from hangtag.v1 import tags_pb2

_MAX_IDS = 1_000


def clarify(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What somebody wrote.", show_default=False)] = "",
    known: Annotated[
        str, typer.Option("--filter", metavar="FILTER", help="What is known already: color:red NOT audience:men.")
    ] = "",
    asked: Annotated[
        list[str] | None, typer.Option(metavar="FACET", help="Facet that is not asked about again. Repeatable.")
    ] = None,
    review: WithReview = False,
    choices: Annotated[int, typer.Option(metavar="COUNT", min=2, max=5, help="Most answers offered.")] = 5,
    language: Annotated[str, typer.Option(metavar="CODE", help="Language of the question, for example de.")] = "en",
    server: Server = None,
    timeout: Timeout = 5,
    as_json: JsonOutput = False,
) -> None:
    """Show the question whose answer narrows down best what somebody looks for.

    With --review an answer also keeps products whose tag is not certain, so fewer people lose what they look for.

    Example: hangtag clarify "something warm for my daughter" --review
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.filter_words import query_of  # noqa: PLC0415
    from hangtag.cli.show import as_dict, print_json  # noqa: PLC0415
    from hangtag.cli.show_found import print_question  # noqa: PLC0415
    from hangtag.v1 import tags_pb2  # noqa: PLC0415

    request = tags_pb2.ClarifyRequest(
        text=text,
        query=query_of(known, with_review=review),
        asked_facets=asked,
        max_values=choices,
        language=language,
    )
    with open_client(server, timeout) as client:
        question = client.clarify(request)
    if as_json:
        print_json(as_dict(question))
    else:
        print_question(make_console(), question)


def similar(
    product_ids: Annotated[
        list[str],
        typer.Argument(metavar="ID...", help="Product ids; - reads them from standard input.", show_default=False),
    ],
    base: Annotated[str, typer.Option(metavar="FILTER", help="Only products for which this holds.")] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Products for each id.")] = 10,
    server: Server = None,
    timeout: Timeout = 5,
    as_json: JsonOutput = False,
) -> None:
    """Find products that share tags with a product, and show which; rare tags count more.

    With several ids, or with ids from standard input (one a line), JSON is a list in their order.

    Example: hangtag similar demo-0001 --limit 5
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.filter_words import query_of  # noqa: PLC0415
    from hangtag.cli.show import as_dict, print_json  # noqa: PLC0415
    from hangtag.cli.show_found import similar_table  # noqa: PLC0415

    ids = _ids(product_ids)
    within = query_of(base)
    with open_client(server, timeout) as client:
        found = [_similar_to(client, each, limit, within) for each in ids]
    if as_json:
        shown = [{"product_id": each, **as_dict(reply)} for each, reply in zip(ids, found, strict=True)]
        print_json(shown[0] if product_ids == ids and len(ids) == 1 else shown)
    else:
        make_console().print(similar_table(zip(ids, found, strict=True)))


def _similar_to(
    client: "TagClient", product_id: str, limit: int, within: "tags_pb2.TagQuery | None"
) -> "tags_pb2.SimilarProductsResponse":
    from hangtag.cli.errors import CommandError  # noqa: PLC0415
    from hangtag.v1 import tags_pb2  # noqa: PLC0415

    try:
        return client.similar(tags_pb2.SimilarProductsRequest(product_id=product_id, page_size=limit, base=within))
    except CommandError as error:
        msg = f"{product_id}: {error}"
        raise CommandError(msg) from error


def _ids(arguments: list[str]) -> list[str]:
    ids: list[str] = []
    for each in arguments:
        ids += [line.strip() for line in sys.stdin if line.strip()] if each == "-" else [each]
    if not 0 < len(ids) <= _MAX_IDS:
        msg = f"there are {len(ids)} ids; give 1 to {_MAX_IDS}"
        raise typer.BadParameter(msg, param_hint="ID")
    return ids
