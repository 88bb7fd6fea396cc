"""Look-alike tags: proposals, and the file of decisions that is kept."""

import pytest

from hangtag.settings.toml import parse_toml
from hangtag.trainer.data.label_balance import FacetBalance
from hangtag.trainer.data.merges import Decisions, Merge, proposed
from hangtag.trainer.errors import TrainerError


def balance(**tags: int) -> dict[str, FacetBalance]:
    return {"a": FacetBalance(sum(tags.values()), 0, 0, {f"a:{value}": count for value, count in tags.items()})}


def targets(**tags: int) -> dict[str, set[str]]:
    return {merge.target: set(merge.tags) for merge in proposed(balance(**tags), Decisions())}


@pytest.mark.parametrize(
    ("same", "target"),
    [
        ({"BLACK": 2, "Black": 9}, "a:Black"),
        ({"BLACK": 2, "Black": 2}, "a:Black"),
        ({"Women": 5, "Women's": 9, "Womens": 1, "women\u2019s": 1}, "a:Women's"),
        ({"T-Shirt": 1, "t shirts": 5, "Tshirt": 1}, "a:t shirts"),
        ({"Bags & Belts": 3, "Bags and belts": 1}, "a:Bags & Belts"),
    ],
)
def test_tags_that_probably_mean_the_same_are_proposed(same, target):
    assert targets(**same) == {target: {f"a:{value}" for value in same}}


@pytest.mark.parametrize(
    "different", [("1", "-1"), ("3-4", "34"), ("1.5", "15"), ("C", "C++"), ("glass", "gla"), ("as", "a")]
)
def test_tags_that_mean_something_else_are_not(different):
    assert targets(**dict.fromkeys(different, 1)) == {}


def test_values_that_mean_none_are_proposed_as_no_label():
    merges = list(proposed(balance(nan=2, NaN=1, NULL=1, red=1), Decisions()))

    assert [(merge.target, dict(merge.tags)) for merge in merges] == [
        *(("", {"a:NULL": 1}), ("", {"a:NaN": 1}), ("", {"a:nan": 2}))
    ]


def test_what_is_decided_is_kept_and_not_asked_again(tmp_path):
    file = tmp_path / "renames.toml"
    decided = Decisions.read(file)
    black, women = proposed(balance(BLACK=1, Black=2, Women=3, Womens=1), decided)
    decided.accept(black)
    decided.refuse(women)
    file.write_text(decided.to_toml())

    again = Decisions.read(file)

    assert again == decided
    assert again.renames == {"a:BLACK": "a:Black"}
    assert list(proposed(balance(Black=3, Women=3, Womens=1), again)) == []
    # A new spelling is asked for, and earlier decisions follow it.
    (more,) = proposed(balance(Black=3, black=9), again)
    again.accept(more)
    assert again.renames == {"a:BLACK": "a:black", "a:Black": "a:black"}


def test_any_tag_can_be_written():
    odd = ['a:"x" \\ y', "a:\U0001f600", "a:\x7f", "a:\x01é"]
    decided = Decisions({odd[0]: odd[1], odd[2]: ""}, [odd[2:]])

    assert parse_toml(decided.to_toml().encode()) == {"renames": decided.renames, "different": decided.different}


@pytest.mark.parametrize("content", ["[renames", "renames = 3", "[rename]"])
def test_another_file_is_refused(tmp_path, content):
    file = tmp_path / "renames.toml"
    file.write_text(content)

    with pytest.raises(TrainerError, match=r"renames\.toml"):
        Decisions.read(file)
    assert Merge("a:x", {"a:x": 1, "a:X": 2}).renames == {"a:X": "a:x"}
