"""Decisions about tags that look alike or mean no value, kept in a file: which tag is read as which."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from hangtag.trainer.data.label_balance import FacetBalance, look_alikes, missing_values
from hangtag.trainer.data.row import LabelledFileError
from hangtag.trainer.recipe.columns import read_toml

_HEAD = """\
# Which tags are read as which: "tag in the files" = "tag to use", or "" if the tag is no label.
# Written by `hangtag data merge`, which keeps what is here. Use it with --column renames=FILE.
"""


@dataclass(frozen=True, slots=True)
class Merge:
    """A proposal: read `tags` (with their numbers of products) as `target`; without a target they are no labels."""

    target: str
    tags: Mapping[str, int]

    @property
    def renames(self) -> dict[str, str]:
        """What the proposal changes."""
        return {tag: self.target for tag in self.tags if tag != self.target}


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a person decided: `renames` that hold, and groups of tags that are different (`different`)."""

    renames: dict[str, str] = field(default_factory=dict)
    different: list[list[str]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; without it there are no decisions.

        Raises:
            ColumnsError: the file cannot be read.
            LabelledFileError: it is not one of decisions.
        """
        if not path.exists():
            return cls()
        found = read_toml(path)
        renames, different = found.get("renames", {}), found.get("different", [])
        if (
            not isinstance(renames, Mapping)
            or not isinstance(different, list)
            or found.keys() - {"renames", "different"}
        ):
            msg = f"{path}: is not a file of `hangtag data merge`: it has a table [renames] and a list different"
            raise LabelledFileError(msg)
        return cls(dict(renames), [list(map(str, group)) for group in different])

    def to_toml(self) -> str:
        """The file's content."""
        groups = "".join(f"    [{', '.join(map(_text, group))}],\n" for group in self.different)
        lines = "".join(f"{_text(tag)} = {_text(target)}\n" for tag, target in sorted(self.renames.items()))
        return f"{_HEAD}different = [\n{groups}]\n\n[renames]\n{lines}"

    def accept(self, merge: Merge) -> None:
        """Add a merge. Earlier renames to one of its tags lead to its target from now on."""
        for tag, target in self.renames.items():
            if target in merge.renames:
                self.renames[tag] = merge.target
        self.renames.update(merge.renames)

    def refuse(self, merge: Merge) -> None:
        """Note that the merge's tags are different, or that a tag does mean something."""
        self.different.append(sorted(merge.tags))


def proposed(balance: Mapping[str, FacetBalance], decided: Decisions) -> Iterator[Merge]:
    """Merges that are not decided yet: the most frequent tag of look-alikes is their target.

    `balance` is that of files read with the renames.
    """
    refused = {frozenset(group) for group in decided.different}
    groups: Sequence[Mapping[str, int]] = look_alikes(balance)
    absent = missing_values(balance)
    for group in groups:
        tags = {tag: count for tag, count in group.items() if tag not in absent}
        if len(tags) > 1 and frozenset(tags) not in refused:
            # Of equally frequent ones the one with fewer capitals: "Black" rather than "BLACK".
            yield Merge(min(tags, key=lambda tag: (-tags[tag], sum(map(str.isupper, tag)), tag)), tags)
    for tag, count in absent.items():
        if frozenset([tag]) not in refused:
            yield Merge("", {tag: count})


def _text(value: str) -> str:
    """A TOML string: JSON's strings are TOML's, but for the one control character that JSON leaves."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
