"""What bad input once led to, a test for each kind."""

import hashlib
import json
import os
import struct
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from tokenizers import Tokenizer

from hangtag.bundle import BundleError, load_bundle, upgrade_bundle
from hangtag.bundle.files import MANIFEST, MODEL, SCHEMA
from hangtag.cli.feed_lines import event_of
from hangtag.kafka.readable import ReadableRecords
from hangtag.records import EventError, decode_event, decode_tags
from hangtag.settings import SettingsError, load_settings
from hangtag.settings.toml import TomlError, parse_toml
from hangtag.store import Entry
from hangtag.store.value import unpack, unpack_entry
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer
from hangtag.trainer.choosing.search_space import read_space
from hangtag.trainer.data.labelled import read_rows
from hangtag.trainer.data.row import LabelledFileError
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.recipe.columns import Columns, ColumnsError
from hangtag.trainer.recipe.recipe import Recipe
from hangtag.v1 import tags_pb2
from hangtag.write import TaggedRecordError, entry_of, record_of
from tests.bundles import tiny_tokenizer, write_tiny_bundle
from tests.fuzz.targets import stored_values
from tests.spoiled_values import SPOILED
from tests.unit.test_readable import batch_of

DEEP, DIGITS = "a = " + "[" * 5_000, "a = " + "9" * 5_000


def test_an_event_of_8_mib_with_escapes_that_ends_early_is_refused_in_linear_time():
    value = b'{"product": {"title": "' + rb"\ud83d\ude00" * 700_000

    # Quadratic time, a minute here, would end the test.
    with pytest.raises(EventError, match="not valid JSON: line 1"):
        decode_event(value, None, (), 1, 1 << 24)


@pytest.mark.parametrize("key", ["a", '"a"', "[a", "b = {a"])
def test_a_toml_key_of_100_000_parts_is_refused_in_linear_time(key: str):
    # Quadratic time, minutes here, would end the test.
    with pytest.raises(TomlError, match="line 2 has a key of more than 64 parts"):
        parse_toml(f"c = 1\n{key}{'.a' * 100_000} = 1".encode())


def test_dots_elsewhere_are_no_parts_of_a_key():
    dots = ".".join("a" * 100)

    assert parse_toml(f"a.b = '{dots}'\nc = ['{dots}', \"{dots}\"] # {dots}".encode()) == {
        "a": {"b": dots},
        "c": [dots, dots],
    }


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (rb'{"a": "\ud83d"}', 7),
        (rb'{"a": "\\\ude00"}', 9),
        (rb'{"a": "\ud83d\ude00\ude00"}', 19),
        (rb'{"a": "\ud83d\ud83d\ude00"}', 7),
        (rb'{"a": "\\ud83d \" \n \u00e9 \ud83d\u0041"}', 28),
    ],
)
def test_the_half_of_a_pair_that_stands_alone_is_found(value, place):
    with pytest.raises(EventError, match=rf"stands alone at byte {place}:"):
        decode_event(value, None, (), 1, 1 << 20)


counts = st.integers(0, 40)


@hypothesis.settings(derandomize=True, database=None)
@hypothesis.given(st.integers(3, 32), counts, counts)
def test_a_long_text_keeps_the_tokens_that_the_library_would_keep(max_tokens, first, second):
    library = Tokenizer.from_str(tiny_tokenizer().to_json())
    library.enable_truncation(max_tokens, strategy="longest_first")
    text = ProductText("a " * first, "b " * second)
    expected = library.encode(text.first, text.second) if text.second else library.encode(text.first)

    (tokens,) = ProductTokenizer(Tokenizer.from_str(tiny_tokenizer().to_json()), max_tokens)([text])

    assert (tokens.ids.tolist(), tokens.segments.tolist()) == (expected.ids, expected.type_ids)


def test_the_library_does_not_truncate_two_segments():
    """It would also make each pair of what is left over: 4 MB for one long title with a long description."""
    tokenizer = Tokenizer.from_str(tiny_tokenizer().to_json())
    assert tokenizer.truncation is not None  # for other readers of the file

    used = ProductTokenizer(tokenizer, 16)

    assert tokenizer.truncation is None
    assert json.loads(used.to_json())["truncation"]["max_length"] == 16


TAGS = Entry("sku-1", 3, stored_values.TAGS, b"12345678")


@pytest.mark.parametrize("value", SPOILED)
def test_a_value_that_no_program_of_this_format_wrote_counts_as_none_for_all_readers(value):
    assert unpack_entry("sku-1", value) is None
    assert unpack(value, None) == unpack(None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hangtag.version": b" 3"}, "' 3' is not a number"),
        ({"hangtag.version": b"0_3"}, "is not a number"),
        ({"hangtag.revision": "\u0663".encode()}, "is not a number"),
        ({"hangtag.version": b"4"}, "differ in version"),
        ({"hangtag.bundle_version": b"cd" * 32}, "or in bundle version"),
    ],
)
def test_a_tagged_record_whose_headers_hangtag_did_not_write_is_refused(changes, reason):
    key, value, headers = record_of(TAGS)

    with pytest.raises(TaggedRecordError, match=reason):
        entry_of(key, value, [*(dict(headers) | changes).items()])


def test_a_tagged_record_of_another_product_or_of_none_is_refused():
    _, value, headers = record_of(TAGS)

    with pytest.raises(TaggedRecordError, match="about the product 'sku-1'"):
        entry_of(b"sku-2", value, headers)
    with pytest.raises(TaggedRecordError, match="not a serialised"):
        entry_of(b"sku-1", b"\xff", headers)
    with pytest.raises(TaggedRecordError, match="maximum of a product id is 256"):
        entry_of(b"k" * 257, value, headers)


def test_a_decision_with_an_unknown_verdict_is_not_read_as_a_rejection():
    message = tags_pb2.ProductTags(product_id="p", decisions=[tags_pb2.Decision(facet="color", value="red")])
    message.decisions[0].verdict = 9  # type: ignore[assignment]

    with pytest.raises(ValueError, match="verdict 9.*upgrade Hangtag"):
        decode_tags(message.SerializeToString())


def batch_with(at: int, form: str, *values: int) -> bytes:
    raw = bytearray(batch_of([b"a", b"b"], 5))
    struct.pack_into(form, raw, at, *values)
    return bytes(raw)


def test_a_batch_with_a_damaged_header_is_never_read_again_from_an_earlier_offset():
    at = TopicPartition("products.events", 0)
    # The offset of its last record, relative to the first.
    records = ReadableRecords(5, at, MemoryRecords(batch_with(23, ">i", -1_000_000)))

    (marker,) = records.take(None)

    assert marker.offset == 5
    assert records.next_fetch_offset == 6


def test_a_batch_without_a_header_is_an_error_of_the_broker():
    at = TopicPartition("products.events", 0)
    short = batch_of([b"a"], 5)[:40]
    struct.pack_into(">i", short, 8, 28)

    with pytest.raises(CorruptRecordError, match="no readable header"):
        ReadableRecords(5, at, MemoryRecords(bytes(short))).take(None)


@pytest.mark.parametrize("text", [DEEP, DIGITS, "a = " + "{a=" * 5_000], ids=["deep", "digits", "tables"])
def test_toml_that_pythons_parser_fails_on_is_a_clear_error(tmp_path, monkeypatch, text):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    monkeypatch.setenv("HANGTAG_CONFIG", str(path))

    with pytest.raises(SettingsError, match="settings.toml: not valid TOML"):
        load_settings()
    for read in (Recipe.from_file, Columns.read, read_space):
        with pytest.raises(TrainerError, match="settings.toml: not valid TOML"):
            read(path)


def test_a_product_of_a_feed_whose_type_is_an_object_is_read():
    line = b'{"product_id": "sku-1", "title": "Red scarf", "type": {"id": 7}}'

    assert event_of(line, 1).product.product_id == "sku-1"


def test_facets_that_are_no_table_are_a_clear_error(tmp_path):
    path = tmp_path / "columns.toml"
    path.write_text('facet = "color"')

    with pytest.raises(ColumnsError, match="facet must be a table"):
        Columns.read(path, ["facet.color=Farbe"])


def test_a_variable_in_lower_case_is_named(monkeypatch):
    monkeypatch.setenv("hangtag_kafka__group", "x")

    with pytest.raises(SettingsError, match="hangtag_kafka__group: write it in upper case: HANGTAG_KAFKA__GROUP"):
        load_settings()


def test_names_without_end_are_shortened(tmp_path, monkeypatch):
    path = tmp_path / "products.csv"
    path.write_text(",".join(f"column {number}" for number in range(30_000)) + "\n")
    monkeypatch.setenv("HANGTAG_" + "X" * 10_000, "1")

    with pytest.raises(SettingsError, match="no such setting") as setting:
        load_settings()
    with pytest.raises(LabelledFileError, match="29,960 more") as header:
        read_rows([path])

    assert len(str(setting.value)) < 300
    assert len(str(header.value)) < 1_500


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    write_tiny_bundle(folder)
    return folder


@pytest.mark.parametrize("use", [load_bundle, upgrade_bundle])
@pytest.mark.parametrize("manifest", ['{"format":' * 5_000, '{"format": ' + "[" * 5_000], ids=["objects", "lists"])
def test_a_manifest_that_is_nested_without_end_is_refused(bundle, use, manifest):
    (bundle / MANIFEST).write_text(manifest)

    with pytest.raises(BundleError, match=MANIFEST):
        use(bundle)


@pytest.mark.parametrize("file", [MANIFEST, SCHEMA, MODEL])
def test_pipes_and_devices_in_a_bundle_are_refused(bundle, file):
    (bundle / file).unlink()
    os.mkfifo(bundle / file)
    with pytest.raises(BundleError, match=f"{file} is not a regular file"):
        load_bundle(bundle)

    (bundle / file).unlink()
    (bundle / file).symlink_to("/dev/zero")
    with pytest.raises(BundleError, match=f"{file} is not a regular file"):
        load_bundle(bundle)


def test_a_bundle_with_too_long_a_name_does_not_exist():
    with pytest.raises(BundleError, match="no such folder"):
        load_bundle("a" * 10_000)


@pytest.mark.parametrize("field", ["encoder", "recipe", "name"])
def test_a_bundle_of_format_1_without_a_field_is_refused(bundle, field):
    manifest = json.loads((bundle / MANIFEST).read_text())
    files = {section["file"]: section["sha256"] for section in manifest["sections"].values()}
    kept = {"name", "created", "base_model", "data_fingerprint", "encoder", "recipe", "metrics"} - {field}
    own = {"format": 1} | {name: manifest[name] for name in kept}
    thresholds = json.loads((bundle / "thresholds.json").read_text())["product"]["full"]
    calibration = json.loads((bundle / "calibration.json").read_text())["product"]["full"]
    for file, content in (("thresholds.json", thresholds), ("calibration.json", calibration)):
        (bundle / file).write_text(json.dumps(content))
        files[file] = hashlib.sha256((bundle / file).read_bytes()).hexdigest()
    lines = [f"{file} {digest}" for file, digest in sorted(files.items())]
    lines.append(json.dumps(own, sort_keys=True))
    version = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    (bundle / MANIFEST).write_text(json.dumps(own | {"files": files, "version": version}))

    with pytest.raises(BundleError, match="lacks a field or has a wrong one.*create the bundle again"):
        upgrade_bundle(bundle)


def rewritten(bundle: Path, change: str, to: str) -> None:
    """Write the bundle again with another tokenizer, as a trainer would, all hashes right."""
    from tests.fuzz.targets.bundles import VALID, sealed

    tokenizer = VALID["tokenizer.json"].decode().replace(change, to)
    assert tokenizer.encode() != VALID["tokenizer.json"]
    files = {**VALID, "tokenizer.json": tokenizer.encode()}
    for file, content in (files | {MANIFEST: sealed(files)}).items():
        (bundle / file).write_bytes(content)


@pytest.mark.parametrize(
    ("change", "to", "reason"),
    [
        ('"unk_token":"[UNK]"', '"unk_token":"[NONE]"', "fails on a text"),
        ('"ids":[2]', '"ids":[99999]', "no embedding"),
        ('"type_id":1', '"type_id":9', "no embedding"),
    ],
)
def test_a_tokenizer_that_fails_or_adds_what_the_encoder_lacks_is_refused_at_loading(bundle, change, to, reason):
    rewritten(bundle, change, to)

    with pytest.raises(BundleError, match=f"tokenizer.json.*{reason}"):
        load_bundle(bundle)
