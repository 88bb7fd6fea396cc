"""`hangtag token`: tokens of callers, made, listed and revoked."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.help_text import help_text
from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # loads pydantic
    from hangtag.access import Token

_File = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="The file of tokens. Default: the setting server.tokens_file."),
]


def new(
    client: Annotated[
        str,
        typer.Argument(metavar="CLIENT", help="Who gets it; logs and metrics show the name.", show_default=False),
    ],
    scope: Annotated[
        list[str],
        typer.Option(
            metavar="SCOPE",
            help="What it allows: read, suggest, search, review or admin. Repeatable.",
            show_default=False,
        ),
    ],
    days: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=36_500, help="How long it is valid. Default: without an end.")
    ] = None,
    calls_per_s: Annotated[
        float | None,
        typer.Option(metavar="N", min=0.001, help="Calls a second. Default: the setting server.quota_calls_per_s."),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Calls at a time. Default: the setting server.quota_concurrency."),
    ] = None,
    ids_per_s: Annotated[
        float | None,
        typer.Option(
            metavar="N", min=0.001, help="Ids and texts a second. Default: the setting server.quota_ids_per_s."
        ),
    ] = None,
    file: _File = None,
) -> None:
    """Make a token for a client, and print it. It is shown this once: the file has only its hash.

    A running server lets the client in within a second.

    Example: hangtag token new search --scope read --days 90 --file tokens.jsonl
    """
    from pydantic import ValidationError  # noqa: PLC0415

    from hangtag.access import Scope, add_token, new_token  # noqa: PLC0415

    for name in scope:
        if name not in {*Scope}:
            msg = f"{name!r} is no scope; the scopes are {', '.join(Scope)}"
            raise typer.BadParameter(msg, param_hint="--scope")
    path = _path(file)
    expires = None if days is None else datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    try:
        made = new_token(
            client,
            map(Scope, scope),
            expires=expires,
            calls_per_s=calls_per_s,
            concurrency=concurrency,
            ids_per_s=ids_per_s,
        )
    except ValidationError as error:
        msg = "write 1 to 64 letters, digits, dots, hyphens and underscores, a letter or a digit first"
        raise typer.BadParameter(msg, param_hint="CLIENT") from error
    add_token(path, made.token)
    valid = "without an end" if expires is None else f"until {expires:%Y-%m-%d %H:%M} UTC"
    typer.echo(f"{path}: token {made.token.id} for {client}, {valid}; it is not shown again:", err=True)
    sys.stdout.write(f"{made.text}\n")


def list_tokens(file: _File = None, as_json: JsonOutput = False) -> None:
    """Show the tokens: whose they are, what they allow, and until when. The tokens themselves are kept nowhere.

    Example: hangtag token list --file tokens.jsonl
    """
    from hangtag.access import read_tokens  # noqa: PLC0415
    from hangtag.cli.console import make_table, plain_console  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415

    now = datetime.now(UTC)
    tokens = sorted(read_tokens(_path(file)).values(), key=lambda each: (each.client, each.created))
    if as_json:
        shown = [(token.model_dump(mode="json", exclude={"sha256"}), token.is_valid(now)) for token in tokens]
        print_json([{**row, "valid": is_valid} for row, is_valid in shown])
        return
    table = make_table("id", "client", "scopes", "created", "state", "quotas")
    for token in tokens:
        scopes = ", ".join(token.model_dump(mode="json")["scopes"])
        table.add_row(token.id, token.client, scopes, f"{token.created:%Y-%m-%d}", _state(token, now), _quotas(token))
    plain_console().print(table)


def revoke(
    token_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id of the token, as the list shows it.", show_default=False)
    ],
    file: _File = None,
) -> None:
    """Revoke a token: a running server denies it within a second. It stays in the list.

    Example: hangtag token revoke 4fz81q0c --file tokens.jsonl
    """
    from hangtag.access import revoke_token  # noqa: PLC0415

    path = _path(file)
    typer.echo(f"{path}: token {token_id} of {revoke_token(path, token_id).client} is revoked", err=True)


def _path(file: Path | None) -> Path:
    from hangtag.settings import load_settings  # noqa: PLC0415

    found = file or load_settings().server.tokens_file
    if found is None:
        msg = "name the file of tokens, or set HANGTAG_SERVER__TOKENS_FILE"
        raise typer.BadParameter(msg, param_hint="--file")
    return found


def _state(token: "Token", now: datetime) -> str:
    if token.revoked is not None:
        return f"revoked {token.revoked:%Y-%m-%d}"
    if token.expires is None:
        return "valid"
    return f"{'valid until' if token.is_valid(now) else 'expired'} {token.expires:%Y-%m-%d}"


def _quotas(token: "Token") -> str:
    quotas = {
        "calls a second": token.calls_per_s,
        "calls at a time": token.concurrency,
        "ids and texts a second": token.ids_per_s,
    }
    return ", ".join(f"{quota:g} {name}" for name, quota in quotas.items() if quota is not None)


token = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke the tokens with which clients call a server that has server.tokens_file."
    "\n\nExample: hangtag token new search --scope read --days 90 --file tokens.jsonl",
)
token.command("list", help=help_text(list_tokens))(list_tokens)
for command in (new, revoke):
    token.command(help=help_text(command))(command)
