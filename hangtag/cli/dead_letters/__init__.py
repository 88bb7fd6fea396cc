"""`hangtag deadletters`: dead letters listed, shown, sent again and marked as handled."""

from hangtag.cli.dead_letters.command import deadletters

__all__ = ["deadletters"]
