"""Files as other programs write them: Excel, JSON arrays, exports of shop systems. All made by us, small."""

import csv
import gzip
import io
import json
import random
from datetime import date

import pytest

from hangtag.trainer.data.cell_shapes import list_separator, path_separator
from hangtag.trainer.data.labelled import LabelledFileError, MissingColumnsError, read_rows
from hangtag.trainer.data.suggested_columns import suggested_columns
from hangtag.trainer.recipe.columns import Columns

OWN = Columns.read(None, ["product_id=Nr", "title=Name", "facet.color=Farbe"])
SHOPIFY = [
    ["Handle", "Title", "Body (HTML)", "Vendor", "Product Category", "Type", "Google Shopping / Gender", "Variant SKU"],
    ["boot", "Boot", "<p>Warm</p>", "Acme", "Apparel & Accessories > Shoes > Boots", "Boots", "women", "b-1"],
    ["boot", "", "", "", "", "", "", "b-2"],
    ["lamp", "Lamp", "", "Acme", "Home & Garden > Lighting", "Lamps", "", "l-1"],
]
WOO = [
    ["ID", "Type", "SKU", "Name", "Description", "Categories", "Attribute 1 name", "Attribute 1 value(s)"],
    ["1", "variable", "s", "Shirt", "<b>soft</b>", "Clothing, Clothing > Shirts", "Color", "Red, Blue"],
    ["2", "variation", "s-1", "Shirt - Red", "", "", "Color", "Red"],
    ["3", "simple", "c", "Cup", "", r"Cups\, Mugs & More", "Material", "Glass"],
    ["4", "simple", "d", "Gift", "", "Sale, Clothing", "", ""],
]
_MORE = ("product_type", "color", "gender")
GOOGLE = [
    [
        "id",
        "title",
        "description",
        "link",
        "availability",
        "google_product_category",
        "product_type",
        "color",
        "gender",
    ],
    ["g1", "Boot", "Warm", "https://shop.example/1", "in_stock", "Apparel > Shoes", "Boots", "Red/Blue", "female"],
    ["g2", "Lamp", "Bright", "https://shop.example/2", "in_stock", "Home > Light", "Lamps", "", ""],
]
GOOGLE_XML = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>g1</g:id><g:title>Boot &amp; shoe</g:title><g:description>Warm</g:description><g:link>https://x</g:link>
<g:availability>in_stock</g:availability><g:product_type>Apparel &gt; Shoes</g:product_type><g:color>Red/Blue</g:color>
<g:shipping><g:country>DE</g:country></g:shipping></item>
<item><g:id>g2</g:id><g:title>Lamp</g:title><g:description/><g:link>https://x</g:link>
<g:availability>in_stock</g:availability><g:product_type>Home &gt; Light</g:product_type></item>
</channel></rss>"""
WORDPRESS_XML = """<rss xmlns:wp="http://wordpress.org/export/1.2/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"><channel>
<item><title>Shirt</title><content:encoded><![CDATA[<p>soft</p>]]></content:encoded><excerpt:encoded>x</excerpt:encoded>
<wp:post_id>7</wp:post_id><wp:post_type>product</wp:post_type>
<category domain="product_cat" nicename="c">Clothing</category><category domain="product_cat">Sale</category>
<category domain="pa_color">Red</category></item>
<item><title>shirt.jpg</title><content:encoded/><wp:post_id>8</wp:post_id><wp:post_type>attachment</wp:post_type></item>
</channel></rss>"""
SHOPIFY_ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:s="http://jadedpixel.com/-/spec/shopify">
<entry><id>https://shop.example/products/1</id><title>Boot</title><s:type>Shoes</s:type><s:vendor>Acme</s:vendor>
<summary type="html"><![CDATA[<b>Warm</b>]]></summary><s:variant><title>Default</title></s:variant></entry></feed>"""


def read(folder, name: str, content: str | bytes, columns: Columns = Columns()):  # noqa: B008 (it is frozen)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows([path], columns)


def table(rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def products(reading) -> dict[str, tuple[str, set[str]]]:
    assert reading.bad == []
    return {row.product.product_id: (row.product.title, set(row.product.tags)) for row in reading.good}


def workbook(folder, rows, *, before=()):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed (extra train)")
    book = openpyxl.Workbook()
    book.active.title = "empty"
    sheet = book.create_sheet("products")
    for row in [*before, *rows]:
        sheet.append(row)
    path = folder / "shop.xlsx"
    book.save(path)
    return path


def test_an_excel_workbook_is_read_as_it_looks(tmp_path):
    rows = [
        ["Nr", "Name", "Farbe", "Preis", None],
        [17.0, "Schal", "rot", 9.5],
        [18, 2048, None, date(2026, 1, 2)],
        [None, None, None, None],
        ["x", "a", "b", "c", "too much"],
    ]
    path = workbook(tmp_path, rows, before=[[]])

    reading = read_rows([path], OWN)

    found = {row.product.product_id: (row.line, row.product.title, row.product.tags) for row in reading.good}
    assert found == {"17": (3, "Schal", {"color:rot"}), "18": (4, "2048", set())}
    assert reading.good[1].others["Preis"] == "2026-01-02T00:00:00"
    assert [(bad.line, bad.reason) for bad in reading.bad] == [(6, "has 5 cells, the header has 4")]
    assert reading.empty == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"a,b\n1,2\n"])
def test_what_is_no_workbook_is_refused(tmp_path, content):
    pytest.importorskip("openpyxl", reason="openpyxl is not installed (extra train)")
    with pytest.raises(LabelledFileError, match=r"shop\.xlsx: cannot be read as an Excel workbook"):
        read(tmp_path, "shop.xlsx", content)


def test_a_damaged_workbook_is_refused_or_its_rows_are_read(tmp_path):
    path = workbook(tmp_path, [["Nr", "Name", "Farbe"], *([at, "Schal", "rot"] for at in range(20))])
    whole = path.read_bytes()
    rng = random.Random(0)
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            outcomes.add("bad" if read_rows([path], OWN).bad else "good")
        except LabelledFileError:
            outcomes.add("refused")

    assert outcomes >= {"good", "refused"}


def test_a_workbook_without_content_and_one_that_lacks_columns_are_refused(tmp_path):
    with pytest.raises(LabelledFileError, match="no sheet has content"):
        read_rows([workbook(tmp_path, [])])
    with pytest.raises(MissingColumnsError, match="missing columns"):
        read_rows([workbook(tmp_path, [["a", "b"], [1, 2]])])


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=;"\r\n', "SEP=;;;\n", "\ufeffsep=;\n"])
def test_excels_line_with_the_separator_and_decimal_commas(tmp_path, line):
    content = f"{line}Nr;Name;Farbe;Preis\n1;Schal, warm;rot;9,50\n2;Tasse;;1.234,00\n"

    reading = read(tmp_path, "shop.csv", content, OWN)

    assert products(reading) == {"1": ("Schal, warm", {"color:rot"}), "2": ("Tasse", set())}
    assert [row.line for row in reading.good] == [3, 4]
    assert reading.good[1].others["Preis"] == "1.234,00"


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_json_array(tmp_path, indent, zipped):
    rows = [{"product_id": str(at), "title": "x" * 400_000, "facets": ["a"], "tags": ["a:b"]} for at in range(4)]
    text = json.dumps(rows, indent=indent).encode()

    reading = read(tmp_path, "shop.json.gz" if zipped else "shop.json", gzip.compress(text) if zipped else text)

    assert set(products(reading)) == {"0", "1", "2", "3"}
    if indent:
        assert [row.line for row in reading.good] == [2, 12, 22, 32]


def test_objects_in_a_field_are_no_labels_and_are_not_suggested(tmp_path):
    rows = [
        {"id": at, "name": f"chair {at}", "attributes": {"color": "red"}, "categories": [{"name": "Home"}]}
        for at in range(60)
    ]
    path = tmp_path / "api.json"
    path.write_text(json.dumps(rows))

    bad = read_rows([path], Columns.read(None, ["product_id=id", "facet.color=attributes"])).bad

    assert suggested_columns(path, Columns()) == ["product_id=id", "title=name"]
    assert {each.reason for each in bad} == {
        "attributes holds objects, not texts: write what is to be the label into a field of its own"
    }


def test_a_json_array_is_read_in_pieces(tmp_path, monkeypatch):
    """Wherever a piece ends: within a word, a number, an escape or a letter of several bytes."""
    rows = [{"product_id": at, "title": f'"Größe" \\ {at}', "facets": ["a"], "tags": ["a:b"]} for at in range(9)]
    (tmp_path / "shop.json").write_text(json.dumps(rows, indent=1))
    expected = read_rows([tmp_path / "shop.json"])

    for size in range(1, 40):
        monkeypatch.setattr("hangtag.trainer.data.lines.MAX_ROW_BYTES", size)
        found = read_rows([tmp_path / "shop.json"])
        assert (found.good, found.bad) == (expected.good, [])

    (tmp_path / "shop.json").write_text("[{}, 3" + "4" * 100)
    assert "not closed" in read_rows([tmp_path / "shop.json"]).bad[-1].reason


def test_a_json_array_that_is_damaged(tmp_path):
    good = '{"product_id": "1", "facets": [], "tags": []}'

    cut, wrong, mixed = (
        read(tmp_path, "shop.json", text) for text in (f"[{good},\n", f"[{good},\n{{no}}]", f"[{good},\n3, {good}]")
    )

    assert [len(each.good) for each in (cut, wrong, mixed)] == [1, 1, 2]
    assert "not closed" in cut.bad[0].reason
    assert (wrong.bad[0].line, "cannot be read from here on" in wrong.bad[0].reason) == (2, True)
    assert (mixed.bad[0].line, mixed.bad[0].reason) == (2, "not a JSON object")


def test_a_shopify_export(tmp_path):
    reading = read(tmp_path, "shop.csv", table(SHOPIFY))

    assert products(reading) == {
        "boot": (
            "Boot",
            {"class_1:Apparel & Accessories", "class_2:Shoes", "class_3:Boots", "audience:women"},
        ),
        "lamp": ("Lamp", {"class_1:Home & Garden", "class_2:Lighting"}),
    }
    assert reading.good[0].product.merchant_category == "Boots"
    assert reading.empty == 1
    notes = " ".join(reading.files[0].notes)
    assert "1 rows without a product of their own (variants, images) were skipped" in notes
    assert "was read as a Shopify export: product_id=Handle, title=Title" in notes


def test_a_category_that_is_the_label_is_not_in_the_text(tmp_path):
    rows = [[cell for at, cell in enumerate(row) if at != 4] for row in SHOPIFY]

    reading = read(tmp_path, "shop.csv", table(rows))

    assert products(reading)["boot"][1] == {"class_1:Boots", "audience:women"}
    assert reading.good[0].product.merchant_category == ""


def test_a_woocommerce_export(tmp_path):
    reading = read(tmp_path, "shop.csv", table(WOO))

    assert products(reading) == {
        "1": ("Shirt", {"class_1:Clothing", "class_2:Shirts"}),
        "3": ("Cup", {"class_1:Cups, Mugs & More"}),
        "4": ("Gift", set()),  # in two categories, of which neither contains the other
    }
    # Attributes become columns of their own.
    mapped = read(tmp_path, "shop.csv", table(WOO), Columns.read(None, ["facet.color=Color"]))
    assert products(mapped)["1"] == ("Shirt", {"color:Red", "color:Blue"})


def test_a_google_merchant_feed_as_csv(tmp_path):
    reading = read(tmp_path, "shop.csv", table(GOOGLE))

    assert products(reading) == {
        "g1": ("Boot", {"class_1:Apparel", "class_2:Shoes", "color:Red", "color:Blue", "audience:female"}),
        "g2": ("Lamp", {"class_1:Home", "class_2:Light"}),
    }
    assert reading.good[0].product.merchant_category == "Boots"
    own = read(tmp_path, "shop.csv", table(GOOGLE), Columns.read(None, ["title=description", "facet.color=color"]))
    assert products(own)["g1"] == ("Warm", {"color:Red/Blue"})


@pytest.mark.parametrize("zipped", [False, True])
def test_a_google_merchant_feed_as_xml(tmp_path, zipped):
    content = GOOGLE_XML.encode()

    reading = read(tmp_path, "feed.xml.gz" if zipped else "feed.xml", gzip.compress(content) if zipped else content)

    assert products(reading) == {
        "g1": ("Boot & shoe", {"class_1:Apparel", "class_2:Shoes", "color:Red", "color:Blue"}),
        "g2": ("Lamp", {"class_1:Home", "class_2:Light"}),
    }
    assert "shipping" not in reading.good[0].others


def test_a_woocommerce_export_as_xml(tmp_path):
    reading = read(tmp_path, "export.xml", WORDPRESS_XML)

    assert products(reading) == {"7": ("Shirt", {"category:Clothing", "category:Sale"})}
    assert reading.good[0].product.description == "<p>soft</p>"
    assert (reading.empty, reading.good[0].others["pa_color"]) == (1, "Red")


def test_a_shopify_feed_as_xml(tmp_path):
    reading = read(tmp_path, "collection.xml", SHOPIFY_ATOM)

    assert products(reading) == {"https://shop.example/products/1": ("Boot", {"class_1:Shoes"})}


def test_xml_that_is_damaged(tmp_path):
    reading = read(tmp_path, "feed.xml", GOOGLE_XML[: GOOGLE_XML.index("<g:title>Lamp")])

    assert [row.product.product_id for row in reading.good] == ["g1"]
    assert "1 items were read before" in reading.bad[0].reason
    with pytest.raises(LabelledFileError, match="cannot be read as XML"):
        read(tmp_path, "feed.xml", "no xml")
    bomb = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + at)} "{f"&{chr(97 + at)};" * 10}">' for at in range(9)
    )
    with pytest.raises(LabelledFileError, match="amplification"):
        read(tmp_path, "feed.xml", f"{bomb}]><rss><item><id>&j;</id></item></rss>")


@pytest.mark.parametrize("content", ["Nr\n", "Nr\n1\n"])
def test_a_file_of_one_column_or_without_rows(tmp_path, content):
    with pytest.raises(MissingColumnsError, match="missing columns: Farbe, Name; found: Nr"):
        read(tmp_path, "shop.csv", content, OWN)

    reading = read(tmp_path, "shop.csv", content, Columns.read(None, ["product_id=Nr", "labelled=false"]))
    assert len(reading.good) == content.count("1")


def test_a_file_of_300_columns(tmp_path):
    header = ["Nr", "Name", "Farbe", *(f"extra {at}" for at in range(297))]
    content = table([header, ["1", "Schal", "rot", *["x"] * 297]])

    assert products(read(tmp_path, "shop.csv", content, OWN)) == {"1": ("Schal", {"color:rot"})}
    with pytest.raises(MissingColumnsError) as raised:
        read(tmp_path, "shop.csv", content)
    assert "and 260 more" in str(raised.value)
    assert len(str(raised.value)) < 1_500


def test_only_columns_that_repeat_their_values_are_suggested_as_labels(tmp_path):
    who = ("Women,Girls", "Women", "Girls")
    rows = [
        [f"a{at}", f"thing {at}", ["red", "blue"][at % 2], f"{at}.99", f"https://x/{at}", who[at % 3], "EUR"]
        for at in range(30)
    ]
    path = tmp_path / "shop.csv"
    path.write_text(table([["Article No", "Product Name", "Main Colour", "Price", "URL", "Who", "Currency"], *rows]))

    assert suggested_columns(path, Columns()) == [
        "product_id=Article No",
        "title=Product Name",
        "facet.main_colour=Main Colour",
        "facet.who=Who:,",
    ]


@pytest.mark.parametrize(
    ("cells", "path", "values"),
    [
        (["Clothing > Women", "Clothing > Men", "Home"], ">", ""),
        (["Clothing/Women", "Clothing/Men"], "/", ""),
        (["Red/Blue", "Red/Green", "Red", "Blue", "Green"], "", "/"),
        (["38/40", "38/42", "40/42"], "", "/"),
        (["Bags, Wallets & Belts", "Bags", "Shoes"], "", ""),
        (["black & white", "red"], "", ""),
        (["a > b", "c > d", "e"], "", ""),
    ],
)
def test_paths_and_lists_are_told_apart(cells, path, values):
    counts = dict.fromkeys(cells, 1)

    assert (path_separator(counts), list_separator(counts)) == (path, values)


def test_a_long_cell_takes_no_longer_than_its_length(tmp_path):
    row = {"product_id": "1", "title": "x", "tree": " " * 900_000 + "> a" + "'" * 1_000}

    reading = read(tmp_path, "shop.jsonl", json.dumps(row), Columns.read(None, ["class=tree:>"]))

    assert len(reading.good) + len(reading.bad) == 1


def test_ids_that_differ_in_case_are_different_products(tmp_path):
    content = "Nr,Name,Farbe\nA1,Schal,rot\na1,Tasse,blau\n"

    assert set(products(read(tmp_path, "shop.csv", content, OWN))) == {"A1", "a1"}
