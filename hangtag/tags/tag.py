"""The two parts of a tag, `facet:value`."""


def facet_of(tag: str) -> str:
    """The facet's name: `color` of `color:red`."""
    return tag.partition(":")[0]


def value_of(tag: str) -> str:
    """The value, which may contain colons itself: `red` of `color:red`. Empty if there is no colon."""
    return tag.partition(":")[2]
