"""`hangtag demo`: the complete system on this machine."""

from hangtag.cli.demo.command import demo

__all__ = ["demo"]
