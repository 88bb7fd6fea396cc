"""`hangtag retag`: products tagged again by the release in use, undone or made final."""

from hangtag.cli.retag.command import retag

__all__ = ["retag"]
