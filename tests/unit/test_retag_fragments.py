"""A re-tag of Parquet files: its pieces, its fragments, and the devices that tag."""

import pytest

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra export)")
pq = pytest.importorskip("pyarrow.parquet")

from hangtag.cli.errors import CommandError
from hangtag.cli.retag.on_ray.cluster import Devices, devices
from hangtag.cli.retag.on_ray.fragments import Counts, Fragments, Made, Tagged
from hangtag.cli.retag.on_ray.pieces import ParquetFiles
from hangtag.trainer.recipe.columns import Columns
from tests.bundles import tiny_schema

COLUMNS = Columns(labelled=False)


@pytest.fixture
def files(tmp_path):
    """Two files, one of them in a folder, with row groups of several sizes."""
    (tmp_path / "more").mkdir()
    names = iter(range(1_000_000))
    for path, rows, group in (("a.parquet", 2_500, 1_200), ("more/b.parquet", 30, 30)):
        table = pa.Table.from_pylist(
            [{"product_id": f"p{next(names)}", "title": "red dress", "version": "7"} for _ in range(rows)]
        )
        pq.write_table(table, tmp_path / path, row_group_size=group)
    return tmp_path


@pytest.fixture(params=["folder", "memory"])
def fragments(request, tmp_path):
    return Fragments(str(tmp_path / "tagged") if request.param == "folder" else f"memory://{tmp_path.name}")


def made(**changes):
    fields = {
        "bundle_version": "a" * 64,
        "sequence": 3,
        "blocked_sequence": 2,
        "tag_schema": tiny_schema(),
        "files": {"a.parquet": "b" * 64},
        "columns": COLUMNS.model_dump(mode="json"),
        "fragments": 2,
    }
    return Made(**(fields | changes))


ROWS = [Tagged("p1", 4, b"h" * 16, b"tags"), Tagged("p2", None, b"i" * 16, b"")]


def test_the_pieces_have_every_row_once(files):
    source = ParquetFiles(str(files), COLUMNS)
    found = source.pieces(rows_a_piece=500)

    texts = [text for piece in found.pieces for text in source.texts(piece)]

    assert [text.product_id for text in texts] == [f"p{number}" for number in range(2_530)]
    assert {text.version for text in texts} == {7}
    assert [(piece.group, piece.first, piece.rows) for piece in found.pieces[:4]] == [
        (0, 0, 500),
        (0, 500, 500),
        (0, 1_000, 200),
        (1, 0, 500),
    ]
    assert len({piece.name for piece in found.pieces}) == len(found.pieces) == 8
    assert source.pieces(rows_a_piece=500) == found


def test_a_file_with_other_content_has_another_hash(files):
    source = ParquetFiles(str(files), COLUMNS)
    before = source.pieces().footers
    pq.write_table(pa.Table.from_pylist([{"product_id": "p", "title": "blue shoe"}]), files / "a.parquet")

    after = source.pieces().footers

    assert [path for path in before if before[path] != after[path]] == [str(files / "a.parquet")]


def test_a_row_without_text_or_id_is_none(tmp_path):
    rows = [
        {"product_id": "p1", "title": ""},
        {"product_id": "", "title": "red"},
        {"product_id": "x" * 600, "title": "red"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    source = ParquetFiles(str(tmp_path / "a.parquet"), COLUMNS)

    [piece] = source.pieces().pieces

    assert list(source.texts(piece)) == [None, None, None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "there is no .parquet file"),
        ("a.parquet", b"no Parquet", "cannot be read as Parquet"),
    ],
)
def test_what_is_no_parquet_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(CommandError, match=message):
        ParquetFiles(str(tmp_path), COLUMNS).pieces()


def test_a_column_that_is_missing_is_named(files):
    with pytest.raises(CommandError, match="name"):
        ParquetFiles(str(files), Columns(labelled=False, title="name")).pieces()


def test_what_is_written_is_read_back_and_found_again(fragments):
    assert fragments.made() is None
    assert fragments.begin(made(), restart=False) == set()

    fragments.write("00000001", ROWS, Counts(2, 1, 3))

    assert fragments.begin(made(), restart=False) == {"00000001"}
    assert fragments.made() == made()
    assert [row for rows in fragments.rows("00000001") for row in rows] == ROWS
    assert fragments.counts("00000001") == Counts(2, 1, 3)


def test_fragments_of_something_else_are_refused_until_they_are_removed(fragments):
    fragments.begin(made(), restart=False)
    fragments.write("00000000", ROWS, Counts(2, 0, 0))
    other = made(sequence=4, files={"a.parquet": "c" * 64})

    with pytest.raises(CommandError, match=r"other sequence, files.*--restart"):
        fragments.begin(other, restart=False)
    assert fragments.names() == {"00000000"}

    assert fragments.begin(other, restart=True) == set()
    assert fragments.made() == other


def test_half_a_fragment_is_none(tmp_path, monkeypatch):
    fragments = Fragments(str(tmp_path))
    fragments.begin(made(), restart=False)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CommandError, match="No space left on device"):
        fragments.write("00000000", ROWS, Counts(2, 0, 0))

    assert fragments.names() == set()
    assert list((tmp_path / "fragments").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"format": 9}', "upgrade hangtag"), (b"{", "is damaged"), (b'{"format": 1}', "is damaged")],
)
def test_what_no_program_of_this_release_has_made_is_refused(tmp_path, content, message):
    (tmp_path / "retag.json").write_bytes(content)

    with pytest.raises(CommandError, match=message):
        Fragments(str(tmp_path)).made()


def node(cpus: float = 0, gpus: float = 0, *, is_alive: bool = True) -> dict:
    return {"Alive": is_alive, "Resources": {"CPU": cpus, "GPU": gpus, "memory": 1e9}}


@pytest.mark.parametrize(
    ("nodes", "engine", "found"),
    [
        ([node(2)], "auto", Devices(1, 2, 0)),
        ([node(1), node(1)], "cpu", Devices(2, 1, 0)),
        ([node(8), node(16), node(0), node(4, is_alive=False)], "auto", Devices(3, 8, 0)),
        ([node(8, 4), node(8, 4)], "auto", Devices(8, 1, 1)),
        ([node(8, 4), node(8, 4)], "cpu", Devices(2, 8, 0)),
    ],
)
def test_one_actor_for_each_device(nodes, engine, found):
    assert devices(nodes, engine) == found


def test_a_cluster_without_cores_is_refused():
    with pytest.raises(CommandError, match="ray start"):
        devices([node()], "auto")
