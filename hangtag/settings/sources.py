"""Reading settings from the environment and one TOML file, and finding the source of each."""

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, SecretStr, ValidationError

from hangtag.settings.model import Settings
from hangtag.settings.secret_file import SecretFile, SecretFileError
from hangtag.settings.toml import TomlError, parse_toml

PREFIX = "HANGTAG_"
FILE_VARIABLE = "HANGTAG_CONFIG"
DEFAULT_FILE = Path("hangtag.toml")
_DELIMITER = "__"
# Of a name that is not one of a setting.
_SHOWN = 50
# What Kubernetes sets in each container for a service whose name begins with `hangtag`. No setting has such a name,
# since the names of settings have two underscores after their group.
_OF_KUBERNETES = re.compile(
    r"HANGTAG_(?:[A-Z0-9]+_)*?"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
# After the variable of a secret: the variable of a file that holds it.
_IN_FILE = "_FILE"


class SettingsError(ValueError):
    """A setting is unknown or invalid; the message names it and says what is valid."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """One setting: dotted name, value for display with secrets masked, source of the value, description."""

    name: str
    value: str
    origin: str
    description: str


def load_settings() -> Settings:
    """Read the settings; environment variables override the file, and the file overrides the defaults.

    The file is the one named by `HANGTAG_CONFIG`, or else `hangtag.toml` in the current folder if it exists.

    Raises:
        SettingsError: a setting is unknown or invalid, or the file cannot be read.
    """
    return _load()[0]


def resolve() -> list[Resolved]:
    """Every setting with its value and its source; errors as in `load_settings`."""
    settings, file, in_file = _load()
    result = []
    for name, value, description in _leaves(settings):
        group, leaf = name.split(".")
        if os.environ.get(variable_of(name)):
            origin = f"environment {variable_of(name)}"
        elif os.environ.get(variable := secret_file_variable_of(name)) and name in _secrets():
            origin = f"environment {variable}"
        elif leaf in in_file.get(group, {}):
            origin = f"file {file}"
        else:
            origin = "default"
        result.append(Resolved(name, _display(value), origin, description))
    return result


def variable_of(name: str) -> str:
    """The environment variable of a setting: `HANGTAG_KAFKA__BOOTSTRAP` for `kafka.bootstrap`."""
    return PREFIX + name.upper().replace(".", _DELIMITER)


def secret_file_variable_of(name: str) -> str:
    """The environment variable that names a file with the value of a secret: `HANGTAG_REDIS__URL_FILE`."""
    return variable_of(name) + _IN_FILE


def _is_of_kubernetes(variable: str) -> bool:
    return _OF_KUBERNETES.fullmatch(variable) is not None and (
        not variable.endswith("_PORT") or variable.endswith("_SERVICE_PORT") or "://" in os.environ[variable]
    )


def _load() -> tuple[Settings, Path | None, dict[str, Any]]:
    names = [name for name, _, _ in _leaves(Settings.model_construct())]
    variables = [*map(variable_of, names), *map(secret_file_variable_of, _secrets())]
    _check_variables(variables)
    file = _file()
    in_file = _read(file)
    for group, values in in_file.items():
        for leaf in values if isinstance(values, dict) else ("",):
            name = f"{group}.{leaf}".rstrip(".")
            if name not in names:
                msg = f"{file}: {_shown(name)}: no such setting{_did_you_mean(name, names)}"
                raise SettingsError(msg)
    from_files = _read_secret_files()
    groups = {**in_file}
    for name, secret in from_files.items():
        group, leaf = name.split(".")
        groups[group] = {**groups.get(group, {}), leaf: secret}
    try:
        # The environment overrides these arguments: see `settings_customise_sources`.
        return Settings(**groups), file, in_file
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in problem["loc"][:2])
        origin = f"{file}: {_shown(name)}"
        if os.environ.get(variable_of(name)):
            origin = f"environment {variable_of(name)}"
        elif name in from_files:
            origin = f"environment {secret_file_variable_of(name)}"
        msg = f"{origin}: {problem['msg']}"
        raise SettingsError(msg) from None


def _check_variables(variables: list[str]) -> None:
    for variable in os.environ:
        if (
            variable.startswith(PREFIX)
            and variable not in (FILE_VARIABLE, *variables)
            and not _is_of_kubernetes(variable)
        ):
            msg = f"environment {_shown(variable)}: no such setting{_did_you_mean(variable, variables)}"
            raise SettingsError(msg)
        # pydantic would read it all the same, but nothing else here knows it by this name.
        if variable != variable.upper() and variable.upper() in variables:
            msg = f"environment {variable}: write it in upper case: {variable.upper()}"
            raise SettingsError(msg)


def _file() -> Path | None:
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return parse_toml(file.read_bytes())
    except OSError as error:
        msg = f"{file}: {error.strerror}; set {FILE_VARIABLE} to the settings file"
        raise SettingsError(msg) from error
    except TomlError as error:
        msg = f"{file}: not valid TOML: {error}"
        raise SettingsError(msg) from error


def _secrets() -> list[str]:
    """The names of the settings that are secrets."""
    return [
        f"{group}.{leaf}"
        for group, field in Settings.model_fields.items()
        for leaf, annotation in get_type_hints(field.annotation).items()
        if annotation is SecretStr or SecretStr in get_args(annotation)
    ]


def _read_secret_files() -> dict[str, SecretFile]:
    """The secrets that environment variables name a file for."""
    found = {}
    for name in _secrets():
        variable = secret_file_variable_of(name)
        if not (path := os.environ.get(variable)):
            continue
        if os.environ.get(variable_of(name)):
            msg = f"environment {variable} and {variable_of(name)} are both set; remove one of them"
            raise SettingsError(msg)
        try:
            found[name] = SecretFile(Path(path))
        except SecretFileError as error:
            msg = f"environment {variable}: {error}"
            raise SettingsError(msg) from error
    return found


def _leaves(settings: Settings) -> Iterator[tuple[str, Any, str]]:
    for group in type(settings).model_fields:
        values: BaseModel = getattr(settings, group)
        for leaf, field in type(values).model_fields.items():
            yield f"{group}.{leaf}", getattr(values, leaf), field.description or ""


def _display(value: Any) -> str:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        # A URL without user and options contains no password, and is useful to see.
        return secret if "://" in secret and not set("@?") & set(secret) else "**********"
    return "" if value is None else str(value)


def _shown(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."


def _did_you_mean(name: str, known: list[str]) -> str:
    # Comparing takes time that grows with the square of the length.
    close = difflib.get_close_matches(name[:_SHOWN], known, n=1)
    return f"; did you mean {close[0]}?" if close else "; `hangtag config` lists all settings"
