"""Checks of labelled files: bad rows, duplicates, conflicting labels, rare tags, text lengths."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from tokenizers import Tokenizer

from hangtag.tags.tag import value_of
from hangtag.trainer.data.cell_shapes import list_separator, path_separator
from hangtag.trainer.data.duplicates import Duplicates, find_duplicates
from hangtag.trainer.data.label_balance import FacetBalance, balance_of, escaped, look_alikes, missing_values, rare_tags
from hangtag.trainer.data.label_conflicts import Conflict, conflicts_of
from hangtag.trainer.data.labelled import LabelledProduct, LabelledRow, Reading
from hangtag.trainer.data.repeated_ids import RepeatedIds
from hangtag.trainer.data.text_lengths import LengthsOf, TextLengths
from hangtag.trainer.data.views import Products, Texts
from hangtag.trainer.files.disk_list import DiskList

# Texts whose tokens are counted at most: enough for shares that are right to 0.3 points.
_MEASURED = 200_000
_HELD = 10_000


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Limits of the checks.

    `duplicates` is the similarity from which texts are near duplicates, `min_examples` the number of examples that a
    tag should have, `max_tokens` the length at which training truncates texts.
    """

    max_tokens: int = 128
    duplicates: float = 0.8
    min_examples: int = 5


@dataclass(frozen=True, slots=True)
class DataCheck:
    """All findings. Places are indexes into the good rows of `reading`.

    `look_alikes` are groups of tags with their numbers of products, `missing_values` tags that are probably no values.
    `paths` and `lists` are the facets whose values are category paths or lists, with their separators.
    `same_id_but_case` are the rows whose ids differ only in case.
    """

    reading: Reading
    same_id: Sequence[tuple[int, ...]]
    empty: Sequence[int]
    duplicates: Duplicates
    conflicts: Sequence[Conflict]
    balance: Mapping[str, FacetBalance]
    rare: Mapping[str, int]
    look_alikes: Sequence[Mapping[str, int]]
    missing_values: Mapping[str, int]
    paths: Mapping[str, str]
    lists: Mapping[str, str]
    same_id_but_case: Sequence[tuple[int, ...]]
    lengths: TextLengths | None

    def to_json(self) -> dict[str, Any]:
        """All findings with files, lines and product ids; without the products' texts."""
        return {name: list(each) if isinstance(each, Iterator) else each for name, each in self.findings().items()}

    def findings(self) -> dict[str, Any]:
        """As `to_json`; what may be long is an iterator, which reads it from the disk."""
        place = _Places(self.reading.good)
        return {
            "files": [each.to_json() for each in self.reading.files],
            "rows": len(self.reading.good),
            "bad_rows": ({"file": str(bad.file), "line": bad.line, "reason": bad.reason} for bad in self.reading.bad),
            "empty_rows": self.reading.empty,
            "same_product_id": ([place[at] for at in group] for group in self.same_id),
            "product_ids_that_differ_in_case": ([place[at] for at in group] for group in self.same_id_but_case),
            "empty_texts": (place[at] for at in self.empty),
            "exact_duplicates": ([place[at] for at in group] for group in self.duplicates.exact),
            "near_duplicates": (
                {"first": place[pair.first], "second": place[pair.second], "similarity": round(pair.similarity, 4)}
                for pair in self.duplicates.near
            ),
            "near_duplicates_of_a_text": {"at_most": self.duplicates.most, "texts_with_so_many": self.duplicates.full},
            "conflicts": (
                {**asdict(each), "first": place[each.first], "second": place[each.second]} for each in self.conflicts
            ),
            "facets": {name: facet.to_json() for name, facet in self.balance.items()},
            "rare_tags": dict(self.rare),
            "look_alike_tags": [_counted(group) for group in self.look_alikes],
            "missing_value_tags": _counted(self.missing_values),
            "category_paths": dict(self.paths),
            "lists_of_values": dict(self.lists),
            "tokens": asdict(self.lengths) if self.lengths else None,
        }


def check(
    reading: Reading,
    tokenizer: Tokenizer,
    settings: CheckSettings,
    on_step: Callable[[str, int, int], None] = lambda *_: None,
) -> DataCheck:
    """Check the rows. `on_step` is called with the current step's name, how much of it is done, and its total.

    The rows are read in order, several times; what is found is kept on disk. Tokens are counted in at most 200,000
    texts, which are spread evenly.

    Raises:
        TemporarySpaceError: the disk is full.
    """
    rows = reading.good
    duplicates = find_duplicates(Texts(rows), settings.duplicates, on_step)
    ids = RepeatedIds()
    empty: DiskList[int] = DiskList(of_json=int)
    lengths = LengthsOf(tokenizer, settings.max_tokens)
    every = math.ceil(len(rows) / _MEASURED)

    def products() -> Iterator[LabelledProduct]:
        for place, row in enumerate(rows):
            on_step("measuring texts", place, len(rows))
            ids.add(row.product.product_id)
            text = row.product.text
            if text.is_empty:
                empty.append(place)
            if place % every == 0:
                lengths.add(text)
            yield row.product

    balance = balance_of(products())
    same_id, same_id_but_case = ids.groups()
    values = {name: {value_of(tag): count for tag, count in facet.tags.items()} for name, facet in balance.items()}
    paths = {name: separator for name, counts in values.items() if (separator := path_separator(counts))}
    lists = {name: list_separator(counts) for name, counts in values.items() if name not in paths}
    on_step("comparing labels", 0, 1)
    return DataCheck(
        reading=reading,
        same_id=same_id,
        empty=empty,
        duplicates=duplicates,
        conflicts=conflicts_of(Products(rows), duplicates),
        balance=balance,
        rare=rare_tags(balance, settings.min_examples),
        look_alikes=look_alikes(balance),
        missing_values=missing_values(balance),
        paths=paths,
        lists={name: separator for name, separator in lists.items() if separator},
        same_id_but_case=same_id_but_case,
        lengths=lengths.result(),
    )


class _Places:
    """The places of rows, as JSON; the last ones are held in memory, since pairs often have one in common."""

    def __init__(self, rows: Sequence[LabelledRow]) -> None:
        self._found = lru_cache(_HELD)(lambda at: rows[at].place)

    def __getitem__(self, at: int) -> dict[str, Any]:
        return self._found(at)


def _counted(tags: Mapping[str, int]) -> list[dict[str, Any]]:
    """Tags with their numbers of products. `escaped` shows what makes tags differ that look the same."""
    return [{"tag": tag, "escaped": escaped(tag), "products": count} for tag, count in tags.items()]
