"""How this copy of Hangtag was installed: its version, and the command that adds the packages of an extra."""

import json
import os
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Targets of the Makefile that install an extra into the checkout's `.venv`, and what that costs.
_TARGETS = {
    "local": ("setup", "0.4 GB"),
    "train": ("train-setup", "2 GB, some minutes"),
    "export": ("train-setup", "2 GB, some minutes"),
    "gpu": ("train-setup", "2 GB, some minutes"),
}


def version() -> str:
    """The version of the installed distribution."""
    import hangtag  # noqa: PLC0415 (the part of it that belongs to hangtag-client)

    return hangtag.__version__


def how_to_install(extra: str) -> str:
    """The command that installs the packages of an extra where this copy runs."""
    checkout = _checkout()
    if checkout is not None:
        if extra in _TARGETS and Path(sys.prefix).resolve() == (checkout / ".venv").resolve():
            target, cost = _TARGETS[extra]
            place = "" if checkout == Path.cwd() else f" -C {_quoted(checkout)}"
            return f"`make{place} {target}` ({cost})"
        return f"`{_pip()} -c {_quoted(checkout / 'deploy/constraints.txt')} -e {_quoted(f'{checkout}[{extra}]')}`"
    wheel = _wheel()
    return f"`{_pip()} {_quoted(f'{wheel}[{extra}]') if wheel else shlex.quote(f'hangtag[{extra}]')}`"


def _checkout() -> Path | None:
    """The root of the source tree that this file belongs to; None: it is in an installed package."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "Makefile").is_file() and (root / "pyproject.toml").is_file() else None


def _wheel() -> Path | None:
    """The wheel file that this copy was installed from, as pip noted it; None: from an index, or it is gone."""
    try:
        noted = distribution("hangtag").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    address = urlsplit(json.loads(noted)["url"]) if noted else None
    if address is None or address.scheme != "file":
        return None
    path = Path(unquote(address.path))
    return path if path.is_file() else None


def _pip() -> str:
    return f"{_quoted(sys.executable)} -m pip install"


def _quoted(path: str | Path) -> str:
    """The path for a shell, relative to the working folder if it is below it."""
    relative = os.path.relpath(path)
    return shlex.quote(str(path) if relative.startswith("..") else relative)
