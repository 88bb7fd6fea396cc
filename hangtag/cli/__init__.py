"""The command line: the only package that imports all three programs."""

from hangtag.cli.main import main

__all__ = ["main"]
