"""Where a record is: topic, partition and offset."""

import re
from typing import NamedTuple, Self

from hangtag.letters.errors import LetterError

_PLACE = re.compile(r"(?:([a-zA-Z0-9._-]{1,249})-)?([0-9]{1,9})@([0-9]{1,18})")


class Place(NamedTuple):
    """The place of a record, written `products.deadletter-0@12`."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str, topic: str) -> Self:
        """Read a place in `topic`; its name may be left out: `0@12`.

        Raises:
            LetterError: it is not written like that, or names another topic.
        """
        found = _PLACE.fullmatch(text.strip())
        if found is None:
            msg = f"{text!r} is not the place of a dead letter; write {topic}-0@12 or 0@12 (partition@offset)"
            raise LetterError(msg)
        if found[1] not in (None, topic):
            msg = (
                f"{text} is a place in {found[1]}, not in {topic}; `hangtag deadletters list` shows the letters' places"
            )
            raise LetterError(msg)
        return cls(topic, int(found[2]), int(found[3]))

    @property
    def short(self) -> str:
        """The place without the topic, `0@12`."""
        return f"{self.partition}@{self.offset}"

    def __str__(self) -> str:
        return f"{self.topic}-{self.short}"
