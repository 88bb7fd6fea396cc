"""Build the wheels of `hangtag` and `hangtag-client`: `python deploy/wheels.py FOLDER`.

They are built from a copy of the sources, because setuptools also packs what an earlier build left behind in `build/`
and `*.egg-info`. The build uses the setuptools of the running Python and downloads nothing.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The same as in deploy/Dockerfile.
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "hangtag", "server", "workers", "trainer", "deploy/client")
_LEFTOVERS = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")


def copy_sources(target: Path) -> None:
    """Copy what the wheels are built from; links stay links."""
    for name in _SOURCES:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True, ignore=_LEFTOVERS)
        else:
            shutil.copy(source, copy)


def build_wheels(folder: Path) -> None:
    """Build both wheels into `folder`.

    Raises:
        subprocess.CalledProcessError: pip or setuptools failed; their messages are on standard error.
    """
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation")
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        copy_sources(copy)
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), ".", "./deploy/client"],
            cwd=copy,
            check=True,
        )


if __name__ == "__main__":
    build_wheels(Path(sys.argv[1]).resolve())
