"""What is answered to a text that is not stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hangtag.evidence.support import Support
from hangtag.tags.tagset import TagSet
from hangtag.text.understood import UNREAD, Understood


@dataclass(frozen=True, slots=True)
class Suggested:
    """The tags of a text, what supports each of them, and how the text was understood."""

    tags: TagSet
    support: Mapping[str, Support] = field(default_factory=dict)
    understood: Understood = UNREAD
