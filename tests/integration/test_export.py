"""`hangtag export` as a process, with a real broker."""

import json

import pyarrow.parquet as pq
import pytest

from hangtag.settings import RedisSettings, Settings
from hangtag.store import Entry
from tests.integration.test_rebuild import produce, run, tags


@pytest.fixture
def settings(topics) -> Settings:
    return Settings(kafka=topics, redis=RedisSettings(url="redis://127.0.0.1:1/0"))


@pytest.mark.parametrize("broker", ["tansu"], indirect=True)
def test_the_file_holds_the_newest_of_each_product_at_the_offsets_it_states(settings, tmp_path):
    produce(settings, *(tags(f"p{number}", 1) for number in range(20)))
    produce(settings, tags("p1", 3), tags("p1", 2), Entry.deletion("p2", 2), tags("p2", 1))

    code, out, err = run(settings, "export", str(tmp_path / "tags.jsonl"), "--json")

    assert code == 0, err
    summary = json.loads(out)
    rows = [json.loads(line) for line in (tmp_path / "tags.jsonl").read_text().splitlines()]
    assert {row["product_id"]: row["version"] for row in rows} == {
        f"p{number}": 3 if number == 1 else 1 for number in range(20) if number != 2
    }
    assert [row["product_id"] for row in rows] == sorted(row["product_id"] for row in rows)
    assert (summary["products"], summary["records"], sum(summary["offsets"].values())) == (19, 24, 24)
    stated = json.loads((tmp_path / "tags.jsonl.offsets.json").read_text())
    assert stated["offsets"] == summary["offsets"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["tags.jsonl", "tags.jsonl.offsets.json"]

    code, out, err = run(settings, "export", str(tmp_path / "tags.parquet"))
    assert code == 0, err
    assert "19 products in" in out
    assert pq.read_table(tmp_path / "tags.parquet").column("product_id").to_pylist() == [
        row["product_id"] for row in rows
    ]
