"""Category paths in one column: levels, parents, separators per facet, renamed tags."""

import csv
import json

import pytest

from hangtag.trainer.data.category_path import MAX_LEVELS, level_above, levels_in
from hangtag.trainer.data.labelled import read_labelled, read_rows
from hangtag.trainer.data.schema_of import schema_of
from hangtag.trainer.recipe.columns import Columns, ColumnsError
from hangtag.trainer.recipe.recipe import Recipe

ROWS = [
    ("1", "sandal", "Clothing > Women > Shoes", "Women,Girls"),
    ("2", "boot", '["Clothing >> Women >> Shoes"]', "Women"),
    ("3", "belt", "[Clothing > Bags, Wallets & Belts]", ""),
    ("4", "wallet", '"Clothing > Bags, Wallets &amp; Belts"', "Men"),
    ("5", "lamp", "Home > Light", ""),
]
MAPPING = ['class=tree:">"', 'facet.audience=gender:","', "product_id=uniq_id", "title=name"]


def write_shop(folder, rows=ROWS):
    path = folder / "shop.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("uniq_id", "name", "tree", "gender"), *rows])
    return path


@pytest.mark.parametrize(
    ("cell", "levels"),
    [
        ("Clothing > Women > Shoes", ["Clothing", "Women", "Shoes"]),
        ("Clothing>>Women", ["Clothing", "Women"]),
        ('["Clothing >> Women"]', ["Clothing", "Women"]),
        ("['A > B', 'A > C']", ["A"]),
        (["A > B", "A > B > C"], ["A", "B", "C"]),
        (["A > B", "A > C > D", "A"], ["A"]),
        ("""['A > B', "A > B's",]""", ["A"]),
        ("['A', 'B', C]", ["'A', 'B', C"]),
        ("Kids > Boys' > \u201cNew\u201d", ["Kids", "Boys'", "New"]),
        ('["A", "B"]', ["A", "B"]),
        ("[A > B]", ["A", "B"]),
        (" > A > > C", ["A"]),
        ("A > 'B' > ", ["A", "B"]),
        ("A  x > B", ["A x", "B"]),
        (" > ".join("ABCDEFGHIJ"), list("ABCDEFGHIJ")[:MAX_LEVELS]),
        (2271.0, ["2271"]),
        ("[]", []),
        ("[" * 5_000, ["[" * 5_000]),
    ],
)
def test_levels_of_a_path(cell, levels):
    assert levels_in(cell, ">") == levels


def test_levels_become_facets_that_are_parents_of_each_other(tmp_path):
    products = read_labelled([write_shop(tmp_path)], Columns.read(None, MAPPING))

    assert products[0].tags == {
        *("class_1:Clothing", "class_2:Women", "class_3:Shoes"),
        *("audience:Women", "audience:Girls"),
    }
    assert products[1].tags == {"class_1:Clothing", "class_2:Women", "class_3:Shoes", "audience:Women"}
    assert (
        products[2].tags == products[3].tags - {"audience:Men"} == {"class_1:Clothing", "class_2:Bags, Wallets & Belts"}
    )
    # A path that ends early says nothing about deeper levels.
    assert products[4].facets == {"class_1", "class_2"}

    more = read_labelled(
        [write_shop(tmp_path, [*ROWS, ("6", "hat", "Clothing > Men > Hats", "Men")])], Columns.read(None, MAPPING)
    )
    schema = schema_of(Recipe(sources=[{"train": ["shop.csv"]}]), more)

    assert {facet.name: facet.parent for facet in schema.facets} == {
        "audience": None,
        "class_1": None,
        "class_2": "class_1",
        "class_3": "class_2",
    }
    assert schema.parents["class_3:Hats"] == ("class_2:Men",)
    assert schema.parents["class_2:Light"] == ("class_1:Home",)


def test_facets_that_only_have_the_names_of_levels_get_no_parent(tmp_path):
    lines = [
        {
            "product_id": str(at),
            "title": "x",
            "facets": ["size_1", "size_2"][at % 2 :],
            "tags": [*[f"size_1:{at}"][at % 2 :], f"size_2:{at}"],
        }
        for at in range(4)
    ]
    path = tmp_path / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))

    schema = schema_of(Recipe(sources=[{"train": ["shop.jsonl"]}]), read_labelled([path]))

    assert {facet.parent for facet in schema.facets} == {None}
    assert [level_above(name) for name in ("class_3", "class_1", "class", "class_9", "_2")] == [
        "class_2",
        "",
        "",
        "",
        "_1",
    ]


def test_tags_are_renamed_and_removed_as_a_file_says(tmp_path):
    renames = tmp_path / "renames.toml"
    renames.write_text('[renames]\n"audience:Girls" = "audience:Women"\n"audience:Men" = ""\n')

    products = read_labelled([write_shop(tmp_path)], Columns.read(None, [*MAPPING, f"renames={renames}"]))

    assert {tag for tag in products[0].tags if tag.startswith("audience")} == {"audience:Women"}
    assert "audience" not in products[3].facets


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        (["facet.Colour=x"], "'Colour' cannot be a facet's name: use up to 40"),
        (["Class=x:>"], "'Class' cannot be a facet's name"),
        (["class=x"], 'give a facet\'s column as facet.class=COLUMN, and a category path as class=COLUMN:">"'),
        (["class=x:>", "facet.class=y"], "class is a facet and a path"),
        (["c" * 39 + "=x:>"], "too long: at most 38"),
        (["renames=none.toml"], "none.toml: No such file"),
    ],
)
def test_a_wrong_mapping_is_a_sentence(pairs, reason):
    with pytest.raises(ColumnsError) as raised:
        Columns.read(None, pairs)

    assert reason in str(raised.value)
    assert "pattern" not in str(raised.value)


@pytest.mark.parametrize(
    ("renames", "reason"),
    [({"a:x": "b:x"}, "another facet"), ({"a:x": "a:y", "a:y": "a:z"}, "is renamed too")],
)
def test_renames_stay_in_their_facet_and_form_no_chains(tmp_path, renames, reason):
    path = tmp_path / "columns.toml"
    path.write_text("[renames]\n" + "".join(f'"{one}" = "{other}"\n' for one, other in renames.items()))

    with pytest.raises(ColumnsError, match=reason):
        Columns.read(path)


def test_a_column_may_have_a_colon_and_a_separator(tmp_path):
    columns = Columns.read(None, ["product_id=g:id", 'facet.color=g:color:"/"', "facet.size=g:size"])

    assert columns.facet == {"color": "g:color", "size": "g:size"}
    assert (columns.separator_of("color"), columns.separator_of("size")) == ("/", "|")


def test_a_cell_of_a_list_may_still_be_wrong(tmp_path):
    path = write_shop(tmp_path, [("1", "lamp", "Home > " + "x" * 300, "")])

    (bad,) = read_rows([path], Columns.read(None, MAPPING)).bad

    assert "is not facet:value" in bad.reason
