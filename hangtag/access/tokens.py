"""The tokens in use: those of a file, which is read again when it changes."""

from collections.abc import Callable
from pathlib import Path

from hangtag.access.file_stamp import FileStamp, stamp_of
from hangtag.access.token import Token, hash_of, id_of
from hangtag.access.tokens_file import TokensFileError, read_tokens
from hangtag.telemetry import get_log, metrics

_SCHEME = "bearer"
# Longer ones are no tokens; hashing them would take time.
_MAX_CHARS = 256

_log = get_log(__name__)


class Tokens:
    """Finds the token that a caller has sent. Any thread may call.

    Raises:
        TokensFileError: the file is missing or wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Before it is read: what changes meanwhile is read again.
        self._stamp: FileStamp | None = _stamp_of(path)
        self._by_id = read_tokens(path)
        _log.info("tokens_read", file=str(path), tokens=len(self._by_id))

    def find(self, authorization: str) -> Token | None:
        """The token in the value of `authorization`: `Bearer ht_<id>_<secret>`. It may have expired."""
        scheme, _, text = authorization.partition(" ")
        if len(authorization) > _MAX_CHARS or scheme.lower() != _SCHEME:
            return None
        text = text.strip(" ")
        token = self._by_id.get(id_of(text) or "")
        if token is None:
            hash_of(text)  # as long as for an id that is known
            return None
        return token if token.is_of(text) else None

    def refresh(self, when_changed: Callable[[], None]) -> None:
        """Read the file again if it has changed; if it is missing or wrong, the tokens stay those that were read last.

        `when_changed` is called when the new tokens are in use. To be called every second, by one thread.
        """
        stamp = _stamp_of(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._by_id = read_tokens(self._path)
        except TokensFileError as error:
            metrics.RELOADS.labels("tokens", "failed").inc()
            _log.error("tokens_not_read", reason=str(error), next="the tokens that were read before stay valid")
            return
        metrics.RELOADS.labels("tokens", "read").inc()
        _log.info("tokens_read", file=str(self._path), tokens=len(self._by_id))
        when_changed()


def _stamp_of(path: Path) -> FileStamp | None:
    try:
        return stamp_of(path)
    except OSError:
        return None
