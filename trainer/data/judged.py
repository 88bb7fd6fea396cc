"""Judged texts: what people typed, and the tags that a person found acceptable for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hangtag.trainer.data.row import BadRow, LabelledFileError

_MOST_BAD = 100


class JudgedText(BaseModel):
    """A text and its judgement.

    `acceptable` holds, for each facet that was judged, the values of which any is right; an empty value among them
    means that no tag is right too, and an empty list that no tag is right. A facet that is not in it was not judged.
    `never` are tags that must not be served, such as a negated one. `group` and `why` are for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    kind: Literal["query", "utterance", "title"]
    acceptable: dict[str, tuple[str, ...]]
    never: tuple[str, ...] = ()
    group: str = ""
    why: str = ""

    @property
    def is_in_domain(self) -> bool:
        """Whether a tag of some facet is right: false for off-topic texts and unknown languages."""
        return any(self.acceptable.values())

    def accepts(self, facet: str, value: str) -> bool:
        """Whether the value is right in a facet that was judged."""
        return value in self.acceptable[facet]


def read_judged(path: Path) -> list[JudgedText]:
    """Read a JSONL file with one judged text a line; empty lines are skipped.

    Raises:
        LabelledFileError: the file is missing, has no texts, or lines are not judged texts; the message names them.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8; write JSONL in UTF-8'}"
        raise LabelledFileError(msg) from error
    good: list[JudgedText] = []
    bad: list[BadRow] = []
    for number, line in enumerate(lines, 1):
        try:
            good += [JudgedText.model_validate_json(line)] if line.strip() else []
        except ValidationError as error:
            bad.append(BadRow(path, number, "; ".join(map(_reason, error.errors(include_url=False)))))
    if bad:
        raise LabelledFileError(_message(bad))
    if not good:
        msg = f"{path} has no judged texts: write one JSON object a line with text, kind and acceptable"
        raise LabelledFileError(msg)
    return good


def _reason(error: object) -> str:
    found = dict(error)  # type: ignore[call-overload]
    place = ".".join(map(str, found["loc"]))
    return f"{place}: {found['msg']}" if place else str(found["msg"])


def _message(bad: Sequence[BadRow]) -> str:
    more = [f"and {len(bad) - _MOST_BAD:,} more"] if len(bad) > _MOST_BAD else []
    lines = [*map(str, bad[:_MOST_BAD]), *more]
    return lines[0] if len(lines) == 1 else "\n  ".join([f"{len(bad):,} bad rows: fix or remove them", *lines])
