"""A secret in a file of its own, as orchestrators mount them."""

from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr


class SecretFileError(ValueError):
    """The file holds no secret; the message says why, and what to do."""


class SecretFile(SecretStr):
    """Reads its file whenever the secret is needed, so that a rotated one is used by the next connection.

    While the file cannot be used, as in the middle of a rotation, the secret is the last one that could be read.

    Raises:
        SecretFileError: when it is made: the file cannot be read, is empty, or is not text.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(_read(path))
        self._path = path

    def get_secret_value(self) -> str:
        """The secret, without the end of its line."""
        with suppress(SecretFileError):
            self._secret_value = _read(self._path)
        return self._secret_value


def _read(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        msg = f"{path}: {error.strerror}; set it to a file that holds only the secret"
        raise SecretFileError(msg) from error
    except ValueError:
        msg = f"{path} is not UTF-8 text; set it to a file that holds only the secret"
        raise SecretFileError(msg) from None
    if not secret:
        msg = f"{path} is empty; write the secret into it"
        raise SecretFileError(msg)
    return secret
