"""What a token may be used for."""

from enum import StrEnum


class Scope(StrEnum):
    """A group of methods. None includes another one."""

    READ = "read"
    """Look up the tags of products."""
    SUGGEST = "suggest"
    """Have texts tagged."""
    SEARCH = "search"
    """Find products by their tags."""
    REVIEW = "review"
    """Decide about tags."""
    ADMIN = "admin"
    """Change what the server does."""
