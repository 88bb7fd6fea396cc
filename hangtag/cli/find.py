"""`hangtag find` and `hangtag taglist`."""

from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.options import JsonOutput, WithReview
from hangtag.cli.tags import Server, Timeout, open_client

if TYPE_CHECKING:
    from hangtag.v1 import tags_pb2


def find(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILTER...",
            help=r"Tags of the products: class:\[boots,shoes] AND color:red NOT audience:men. An argument such as "
            '"class:full body wear" is one tag.',
            show_default=False,
        ),
    ] = None,
    text: Annotated[str, typer.Option(metavar="TEXT", help="What somebody searches for, in words.")] = "",
    base: Annotated[
        str, typer.Option(metavar="FILTER", help="Filter that always applies: counts never ignore it.")
    ] = "",
    boost: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG=WEIGHT", help="Weight of a tag in the order: color:red=2. Repeatable."),
    ] = None,
    counts: Annotated[
        list[str] | None,
        typer.Option(metavar="FACET", help="Count the products of each value; '*' for all facets. Repeatable."),
    ] = None,
    review: WithReview = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Products of a page.")] = 20,
    page: Annotated[
        str, typer.Option(metavar="TOKEN", help="Token of the next page, as the page before shows it.")
    ] = "",
    server: Server = None,
    timeout: Timeout = 5,
    as_json: JsonOutput = False,
) -> None:
    """Find products by their tags, by a text, or by both.

    Words of the text that name a tag filter, others rank; tags that the text does not want are left out. A minus before
    a tag is read as an option: write NOT. The exit code is 1 if there is no product.

    Example: hangtag find color:red NOT audience:men --text "running shoes" --counts color
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.filter_words import joined, query_of  # noqa: PLC0415
    from hangtag.cli.show import as_dict, print_json  # noqa: PLC0415
    from hangtag.cli.show_found import print_found  # noqa: PLC0415
    from hangtag.v1 import tags_pb2  # noqa: PLC0415

    request = tags_pb2.FindProductsRequest(
        query=query_of(with_review=review),
        base=query_of(base),
        filter=joined(words or ()),
        text=text,
        boosts=[_boost(each) for each in boost or ()],
        page_size=limit,
        page_token=page,
        count_facets=counts,
    )
    with open_client(server, timeout) as client:
        found = client.find(request)
    if as_json:
        print_json(as_dict(found))
    else:
        print_found(make_console(), found)
    if not found.products:
        raise typer.Exit(1)


def taglist(
    facets: Annotated[
        list[str] | None, typer.Argument(metavar="FACET...", help="Only these facets.", show_default=False)
    ] = None,
    server: Server = None,
    timeout: Timeout = 5,
    as_json: JsonOutput = False,
) -> None:
    """List the tags that a server knows, with the number of products that have each.

    Without a facet the facets are listed, with one its tags. The numbers are missing while the index is away.

    Example: hangtag taglist color
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.errors import CommandError  # noqa: PLC0415
    from hangtag.cli.show import as_dict, print_json  # noqa: PLC0415
    from hangtag.cli.show_found import facets_table, tags_table  # noqa: PLC0415

    with open_client(server, timeout) as client:
        found = client.list_tags(facets or ())
        known = {each.facet for each in found.facets}
        unknown = [each for each in facets or () if each not in known]
        if unknown:
            names = ", ".join(each.facet for each in client.list_tags(()).facets)
            msg = f"there is no facet {unknown[0]!r}; the facets are {names}"
            raise CommandError(msg)
    if as_json:
        print_json(as_dict(found))
        return
    console = make_console()
    if not facets:
        console.print(facets_table(found))
    for facet in found.facets if facets else ():
        console.print(tags_table(facet))


def _boost(text: str) -> "tags_pb2.TagBoost":
    from hangtag.tags.tag import facet_of, value_of  # noqa: PLC0415
    from hangtag.v1 import tags_pb2  # noqa: PLC0415

    tag, _, weight = text.rpartition("=")
    facet, value = facet_of(tag), value_of(tag)
    try:
        number = float(weight)
    except ValueError:
        number = -1.0
    if not (facet and value) or not 0 <= number <= 100:  # noqa: PLR2004
        msg = f"{text!r} is not TAG=WEIGHT with a weight from 0 to 100, for example color:red=2"
        raise typer.BadParameter(msg, param_hint="--boost")
    return tags_pb2.TagBoost(facet=facet, value=value, weight=number)
