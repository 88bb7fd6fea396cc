"""`hangtag demo`: everything on this machine, end to end."""

from hangtag.cli.demo.command import demo

__all__ = ["demo"]
