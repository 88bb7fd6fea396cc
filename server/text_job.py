"""A text that waits for its tags, and who waits for it."""

from asyncio import Future
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hangtag.server.suggestion import Asked, Key, Suggestion
from hangtag.tagger.isolate import Failure
from hangtag.text.product_text import LeftOut
from hangtag.text.tokens import Tokens

_CHARS_PER_TOKEN = 3
# What a text costs beside its tokens, so that the limit of tokens bounds the number of texts as well.
_LEAST_TOKENS = 16
# Texts of up to that many tokens, as estimated, are tagged beside longer ones.
_SHORT_TOKENS = 32


class Encoded(NamedTuple):
    """A text as the engine gets it, what of it the engine does not get, and the bundle whose tokens they are."""

    tokens: Tokens
    left_out: LeftOut
    bundle_version: str = ""


class UntaggableError(Exception):
    """The model fails on the text with this key, and not on others."""

    def __init__(self, key: Key) -> None:
        super().__init__(key)
        self.key = key


class Caller:
    """Waits for one or more texts. `done` has its suggestions by key, or an error."""

    __slots__ = ("done", "found", "missing")

    def __init__(self, keys: Sequence[Key], done: Future[Mapping[Key, Suggestion]]) -> None:
        self.missing = set(keys)
        self.found: dict[Key, Suggestion] = {}
        self.done = done

    def take(self, key: Key, result: Suggestion | Failure) -> None:
        """Get the result of one text."""
        self.missing.discard(key)
        if self.done.done():
            return
        if isinstance(result, Failure):
            self.done.set_exception(UntaggableError(key))
            return
        self.found[key] = result
        if not self.missing:
            self.done.set_result(self.found)


class Job:
    """A text that waits. `encoded` is set when it is; `work` is the number of its tokens as estimated before.

    `is_short` never changes: short texts and others are tagged beside each other. `is_single` is true once somebody
    asks for it alone; `came_single` if the first one did.
    """

    __slots__ = (
        "arrived_s",
        "asked",
        "callers",
        "came_single",
        "chars",
        "encoded",
        "is_short",
        "is_single",
        "key",
        "work",
    )

    def __init__(self, key: Key, asked: Asked, arrived_s: float, is_single: bool, most_tokens: int) -> None:
        self.key = key
        self.asked = asked
        self.arrived_s = arrived_s
        self.came_single = self.is_single = is_single
        self.chars = len(asked.text.first) + len(asked.text.second)
        self.work = max(_LEAST_TOKENS, min(self.chars // _CHARS_PER_TOKEN + 1, most_tokens))
        self.is_short = self.work <= _SHORT_TOKENS
        self.callers: set[Caller] = set()
        self.encoded: Encoded | None = None
