"""The token that goes with every call. It is in no message of an error and in no `repr`."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from hangtag.client.errors import SettingError

Token = str | Path | Callable[[], str]
Metadata = tuple[tuple[str, str], ...]
# How often the file is looked at, as long as the server accepts the token.
_LOOK_EVERY_S = 1.0


class Tokens(Protocol):
    """Where the token comes from. Any thread may call."""

    def metadata(self) -> Metadata:
        """What a call carries.

        Raises:
            SettingError: there is no token, or it cannot be one.
        """
        ...

    def refresh(self, refused: Metadata) -> bool:
        """Look for another token, after a server refused this one; whether there is one."""
        ...


def tokens_of(token: Token | None) -> Tokens:
    """The source for what the user gave: the token itself, a file, or what returns it.

    Raises:
        SettingError: the token cannot be one, or the file cannot be read.
    """
    if token is None:
        return _Fixed(())
    if isinstance(token, str):
        return _Fixed(_metadata(token, "token"))
    if isinstance(token, Path):
        return _File(token)
    return _Called(token)


class _Fixed:
    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def metadata(self) -> Metadata:
        return self._metadata

    def refresh(self, refused: Metadata) -> bool:
        return refused != self._metadata


class _File:
    """Reads the file again when it changes; a file that is gone or damaged leaves the last good token in use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        self._state = self._state_now()
        self._metadata = self._read()

    def metadata(self) -> Metadata:
        if time.monotonic() >= self._look_at:
            self._look()
        return self._metadata

    def refresh(self, refused: Metadata) -> bool:
        self._look()
        return refused != self._metadata

    def _look(self) -> None:
        with self._lock:
            self._look_at = time.monotonic() + _LOOK_EVERY_S
            try:
                state = self._state_now()
                if state != self._state:
                    self._metadata = self._read()
                    self._state = state
            except SettingError:
                pass  # a file that is being replaced; the server says when its last token is no longer good

    def _state_now(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            msg = f"token: the file {str(self._path)!r} cannot be read: {error.strerror}"
            raise SettingError(msg) from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Metadata:
        what = f"token: the content of {str(self._path)!r}"
        try:
            return _metadata(self._path.read_text("ascii").strip(), what)
        except OSError as error:
            msg = f"token: the file {str(self._path)!r} cannot be read: {error.strerror}"
            raise SettingError(msg) from error
        except UnicodeDecodeError:
            msg = f"{what} is not a token; it must be one line of ASCII"
            raise SettingError(msg) from None


class _Called:
    def __init__(self, call: Callable[[], str]) -> None:
        self._call = call
        self._last: tuple[str, Metadata] = ("", ())

    def metadata(self) -> Metadata:
        token = self._call()
        last = self._last
        if token != last[0]:
            last = self._last = (token, _metadata(token, "token: what the function returned"))
        return last[1]

    def refresh(self, refused: Metadata) -> bool:
        return refused != self.metadata()


def _metadata(token: object, what: str) -> Metadata:
    if not (isinstance(token, str) and token.isascii() and token.isprintable() and token and " " not in token):
        msg = f"{what} is not a token; it must be printable ASCII without spaces, as `hangtag token` prints it"
        raise SettingError(msg)
    return (("authorization", f"Bearer {token}"),)
