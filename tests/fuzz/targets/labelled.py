"""Labelled files of every text format, some with facets or category paths in columns of their own, some gzipped.

The first byte chooses which.
"""

from hangtag.trainer.data.labelled import read_rows
from hangtag.trainer.data.row import LabelledFileError
from hangtag.trainer.recipe.columns import Columns
from tests.fuzz.contract import refused, require
from tests.fuzz.scratch import scratch

_COLUMNS = Columns(facet={"color": "color"})
_PATHS = Columns(path={"class": "tree"}, renames={"class_1:x": "class_1:y", "class_2:nan": ""})
_FILES = (
    (scratch() / "products.jsonl", Columns()),
    (scratch() / "products.csv", Columns()),
    (scratch() / "products.tsv", _COLUMNS),
    (scratch() / "products.jsonl.gz", _COLUMNS),
    (scratch() / "products.parquet", _COLUMNS),
    (scratch() / "products.json", Columns()),
    (scratch() / "products.xml", Columns()),
    (scratch() / "paths.csv", _PATHS),
)
# Each row takes its time, so what counts is the time of one: a file of a few.
_MAX_BYTES = 8_192
_ROW = b'{"product_id":"sku-1","title":"Red scarf","description":"wool","facets":["color"],"tags":["color:red"]}\n'

SEEDS = (
    b"\x00"
    + _ROW
    + b'{"product_id":7.5}\n\n[]\n{"product_id":1e400,"title":NaN,"facets":"color","tags":"color:red"}\n',
    b"\x00" + b"[" * 2_000 + b"\n" + b"9" * 5_000 + b"\n" + _ROW.replace(b"scarf", b"\\ud800"),
    b"\x00" + _ROW.replace(b"scarf", b"\xff\xfe"),
    b"\x00" + "\ufeff{}\r\n".encode("utf-16"),
    b'\x01product_id,title,facets,tags\nsku-1,Red scarf,color,color:red\nsku-2,"Red\nscarf",color,\n',
    b'\x01product_id;title;facets;tags\nsku-1;"Red;color;color:red\nsku-2;x;;\nsku-3;x;color;color:\x00\n',
    b"\x01product_id,title,facets,tags\rsku-1,Gr\xfcner Schal,color,color:gr\xfcn\r",
    b"\x01product_id,product_id\n1,2\n",
    b'\x02product_id\ttitle\tcolor\nsku-1\tRed scarf\tred|blue\nsku-2\t"a\tb\n',
    b"\x02" + b"\t" * 500,
    b"\x03\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff",
    b"\x04PAR1\x15\x04PAR1",
    b"\x05[" + _ROW.strip() + b",\n" + _ROW + b", {]",
    b"\x06<rss xmlns:g='g'><item><g:id>1</g:id><title>x</title><description/><link/><availability/></item></rss>",
    b"\x06<rss><item><post_id>1</post_id><post_type>product</post_type><title>x</title><content>y</content></item>",
    b'\x07sep=;\nproduct_id;title;tree\n1;x;"[""a >> b""]"\n2;y;[\'x > y\', \'x > z\']\n3;z;x &gt; nan\n',
    b"\x01Handle,Title,Body (HTML),Type\nboot,Boot,<b>x</b>,Shoes\nboot,,,\n",
    b'\x01ID,Type,SKU,Name,Categories,Attribute 1 name,Attribute 1 value(s)\n1,simple,s,Cup,"A, A > B",Color,Red\n',
)


def target(data: bytes) -> str:
    """Read the file: every row is good, bad with a reason, or empty."""
    path, columns = _FILES[data[0] % len(_FILES) if data else 0]
    path.write_bytes(data[1 : 1 + _MAX_BYTES])
    try:
        reading = read_rows([path], columns)
    except LabelledFileError as error:
        return refused(error, data).replace(str(path), "")
    (counts,) = reading.files
    require((counts.good, counts.bad) == (len(reading.good), len(reading.bad)), "a row is not counted")
    for bad in reading.bad:
        refused(ValueError(bad.reason), data)
    for row in reading.good:
        # What is read can be cleaned and written again.
        str(row.product.text.is_empty).encode()
        row.product.product_id.encode()
        require(row.product.product_id, "a product without an id")
    return f"{path.suffix} {len(reading.good)} good, {len(reading.bad)} bad"
