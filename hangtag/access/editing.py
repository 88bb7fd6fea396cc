"""Changing the file of tokens: all or nothing, one at a time, and nothing else of the file."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from hangtag.access.token import Token
from hangtag.access.tokens_file import TokensFileError, read_text, tokens_in

_OWNER_ONLY = 0o600


def add_token(path: Path, token: Token) -> None:
    """Add a token; a file that is missing is made, readable for its owner only.

    Raises:
        TokensFileError: the file is wrong, or cannot be written.
    """

    def added(text: str) -> str:
        list(tokens_in(path, text))
        return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{_line_of(token)}\n"

    _edit(path, added, make=True)


def revoke_token(path: Path, token_id: str) -> Token:
    """Mark a token as revoked from now on, and return it.

    Raises:
        TokensFileError: the file is wrong or cannot be written, there is no such token, or it is revoked.
    """
    revoked: list[Token] = []

    def marked(text: str) -> str:
        lines = text.splitlines()
        for number, token in tokens_in(path, text):
            if token.id == token_id:
                if token.revoked is not None:
                    msg = f"{path}: the token {token_id} was revoked before, on {token.revoked:%Y-%m-%d}"
                    raise TokensFileError(msg)
                now = datetime.now(UTC).replace(microsecond=0)
                revoked.append(token.model_copy(update={"revoked": now}))
                lines[number - 1] = _line_of(revoked[0])
        if not revoked:
            msg = f"{path}: there is no token {token_id}; `hangtag token list` shows their ids"
            raise TokensFileError(msg)
        return "".join(f"{line}\n" for line in lines)

    _edit(path, marked)
    return revoked[0]


def _line_of(token: Token) -> str:
    return token.model_dump_json(exclude_none=True)


def _edit(path: Path, change: Callable[[str], str], *, make: bool = False) -> None:
    # What is replaced is the file, not a link to it.
    path = path.resolve()
    try:
        with _locked(path, make=make):
            _replace(path, change(read_text(path)))
    except OSError as error:
        msg = f"{path}: {error.strerror}; name a file that you may write with --file"
        raise TokensFileError(msg) from error


@contextmanager
def _locked(path: Path, *, make: bool) -> Iterator[None]:
    """Wait until nobody else changes the file."""
    while True:
        handle = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0), _OWNER_ONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(path, handle):
                yield
                return
        finally:
            os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    """False if another one has replaced the file since it was opened."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _replace(path: Path, text: str) -> None:
    """Write the file anew beside its place, then move it there: readers see the old one or the new one."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        before = path.stat()
        new.chmod(before.st_mode)
        with suppress(PermissionError):
            os.chown(new, before.st_uid, before.st_gid)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
