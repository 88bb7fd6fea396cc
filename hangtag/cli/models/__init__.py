"""`hangtag model`: bundles in production."""

from hangtag.cli.models.command import model

__all__ = ["model"]
