"""Files that settings name."""

from pathlib import Path

from hangtag.settings.sources import SettingsError, variable_of


def readable_file(name: str, path: Path) -> str:
    """The path of the file that the setting `name` names, once it is certain that it can be read.

    Raises:
        SettingsError: the file does not exist or cannot be read.
    """
    try:
        with path.open("rb"):
            return str(path)
    except OSError as error:
        msg = f"{variable_of(name)}: {path}: {error.strerror}; set it to a PEM file that this program may read"
        raise SettingsError(msg) from error
