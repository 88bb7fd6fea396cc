"""The file of tokens: a token a line, as JSON. Empty lines and lines that begin with # are skipped."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from hangtag.access.token import Token

_MAX_BYTES = 16 * 1024 * 1024


class TokensFileError(ValueError):
    """The file of tokens cannot be read or written, or is wrong; the message says where and what to do."""


def read_tokens(path: Path) -> dict[str, Token]:
    """The tokens by their ids.

    Raises:
        TokensFileError: the file is missing, cannot be read, holds no token, or a line of it is wrong.
    """
    found = {token.id: token for _, token in tokens_in(path, read_text(path))}
    if not found:
        # Perhaps it is just being written.
        msg = f"{path}: it holds no token; make one with `hangtag token new`"
        raise TokensFileError(msg)
    return found


def read_text(path: Path) -> str:
    """The content of the file.

    Raises:
        TokensFileError: it is missing, or cannot be read.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            msg = f"{path}: it has more than {_MAX_BYTES} bytes, so it is no file of tokens"
            raise TokensFileError(msg)
        return path.read_text(encoding="utf-8")
    except OSError as error:
        msg = f"{path}: {error.strerror}; make it with `hangtag token new`, and let this program read it"
        raise TokensFileError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: not UTF-8, so it is no file of tokens"
        raise TokensFileError(msg) from error


def tokens_in(path: Path, text: str) -> Iterator[tuple[int, Token]]:
    """Each token of the file's content with the number of its line, from 1.

    Raises:
        TokensFileError: a line is wrong.
    """
    ids: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            token = Token.model_validate_json(line)
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, problem["loc"]))
            msg = f"{path}: line {number}: {where + ': ' if where else ''}{problem['msg']}; correct or remove the line"
            raise TokensFileError(msg) from None
        if token.id in ids:
            msg = f"{path}: line {number}: the id {token.id} is there twice; remove one of the lines"
            raise TokensFileError(msg)
        ids.add(token.id)
        yield number, token
