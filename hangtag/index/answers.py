"""What the index answers, by the name of the method."""

from collections.abc import Callable, Mapping
from typing import Any

from hangtag.index.clarify import clarify
from hangtag.index.find import find
from hangtag.index.list_tags import list_tags
from hangtag.index.profile import profile
from hangtag.index.similar import similar
from hangtag.index.view import View

# A view and a request; the reply lacks its `index`. Raises `QueryError` or `UnknownProductError`.
Answer = Callable[[View, Any], Any]


def answers() -> Mapping[str, Answer]:
    """The methods of `TagService` that need nothing but the index."""
    return {
        "FindProducts": find,
        "ListTags": list_tags,
        "Clarify": clarify,
        "SimilarProducts": similar,
        "TagProfile": profile,
    }
