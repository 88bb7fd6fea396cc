"""The command line: the one place that knows all three programs."""

from hangtag.cli.main import main

__all__ = ["main"]
