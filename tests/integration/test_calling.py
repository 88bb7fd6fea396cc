"""docs/calling.md: its commands and programs, run against a real server with the starter bundle, print what it says.

After a change of the bundle or of the replies, HANGTAG_WRITE_PAGES=1 writes what they print into the page.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

pytest.importorskip("connectrpc", reason="the extra `http` is not installed")

import redis

from hangtag.access import Scope, add_token, new_token
from hangtag.cli.feed_lines import demo_feed
from hangtag.records.tagged import TaggedProduct, encode_tags
from hangtag.settings import ModelSettings, RedisSettings
from hangtag.store import Arrival, Entry, RedisTagStore
from hangtag.tagger.tagger import open_tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from tests.certificates import make_certificates
from tests.integration.server.index import searching
from tests.integration.server.parts import Served, serving, settings_for

ROOT = Path(__file__).resolve().parents[2]
PAGE_FILE = ROOT / "docs" / "calling.md"
PAGE = PAGE_FILE.read_text("utf-8")
# Language and content of each block of code, in order.
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# A command, and what the page says that it prints.
PRINTED = [
    (command, language, output)
    for (kind, command), (language, output) in pairwise(BLOCKS)
    if kind == "sh" and language in {"json", "text"}
]
SECURE = "https://127.0.0.1:8443"
# Deadlines of the page, and what a busy machine gets.
_PATIENT = {
    "connect-timeout-ms: 500": "connect-timeout-ms: 20000",
    "Date.now() + 500": "Date.now() + 20000",
    ", 500)": ", 20000)",
    ", 1000)": ", 20000)",
}
_OFFLINE = re.compile(r"name resolution|unreachable|ENOTFOUND|EAI_AGAIN|ECONNREFUSED")
# What differs from run to run, or from one processor to another.
_TIMES = {"asOf", "offsets", "taggedAt", "version", "knownVersion", "bundleVersion"}


class Shell:
    """A folder as after `git clone`, where commands reach two servers: one that is open, one with TLS and tokens."""

    def __init__(self, folder: Path, open_server: Served, secure_server: Served, token: str, ca: Path) -> None:
        self._folder = folder
        self._ports = {
            SECURE: f"https://127.0.0.1:{secure_server.http_port}",
            "127.0.0.1:8080": f"127.0.0.1:{open_server.http_port}",
            "127.0.0.1:50051": f"127.0.0.1:{open_server.port}",
        }
        (folder / "protos").symlink_to(ROOT / "protos")
        (folder / ".venv").symlink_to(ROOT / ".venv")
        (folder / "docs" / "examples").mkdir(parents=True)
        for example in (ROOT / "docs" / "examples").iterdir():
            if example.is_file():
                (folder / "docs" / "examples" / example.name).write_text(self._at_home(example.read_text("utf-8")))
        shutil.copy(ca, folder / "ca.pem")
        self._environment = {
            **os.environ,
            "HANGTAG_SERVER": f"127.0.0.1:{secure_server.port}",
            "HANGTAG_TOKEN": token,
            "HANGTAG_CA_FILE": "ca.pem",
        }

    def run(self, command: str) -> str:
        """What a block prints."""
        done = subprocess.run(
            ["/bin/bash", "-e", "-o", "pipefail", "-c", self._at_home(command)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and command.startswith("npm ") and _OFFLINE.search(done.stderr):
            pytest.skip("packages cannot be downloaded here")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _at_home(self, text: str) -> str:
        for shown, real in (self._ports | _PATIENT).items():
            text = text.replace(shown, real)
        return text


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[Shell]:
    settings = RedisSettings(url=valkey_url, timeout_ms=20_000)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushdb()
    tagger = open_tagger(ModelSettings(engine="cpu"))
    store = RedisTagStore(settings)
    now_ms = time.time_ns() // 1_000_000
    feed = [orjson.loads(line) for line in Path(demo_feed()).read_bytes().splitlines()]
    shown = {"demo-0001", "demo-0020", "demo-0021", "demo-0024", "demo-0025", "demo-0037"}
    products = [each for each in feed if each["product_id"] in shown]
    texts = [ProductText.of(each["title"], each["description"], each["merchant_category"]) for each in products]
    found = tagger.decode(tagger.forward(tagger.encode(texts)), [TextKind.PRODUCT] * len(texts))
    entries = [
        Entry(
            each["product_id"],
            now_ms,
            encode_tags(TaggedProduct(each["product_id"], now_ms, tags, tagger.bundle.version, now_ms)),
        )
        for each, tags in zip(products, found, strict=True)
    ]
    store.write(entries)
    store.mark_seen([Arrival("new-1", now_ms)])
    folder = tmp_path_factory.mktemp("calling")
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    made = new_token("search", [Scope.READ])
    add_token(folder / "tokens.jsonl", made.token)
    secure = {
        "tokens_file": folder / "tokens.jsonl",
        "tls_cert_file": certificates.server_cert,
        "tls_key_file": certificates.server_key,
    }
    with ExitStack() as stack:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        stack.callback(loop.close)
        stack.callback(thread.join)
        stack.callback(loop.call_soon_threadsafe, loop.stop)
        # A look-up that waits ends at this limit, not at its own deadline.
        index_address = f"127.0.0.1:{stack.enter_context(searching(entries))}"
        usual = {"http_port": 0, "wait_limit_s": 0.5, "index_address": index_address}
        servers = [
            stack.enter_context(serving(loop, settings_for(settings, **usual, **more), tagger)) for more in ({}, secure)
        ]
        stack.callback(store.close)
        yield Shell(folder, *servers, made.text, certificates.ca)


def same(shown: Any, printed: Any) -> bool:
    """Equal but for times and versions, and for confidences, which differ a little between processors."""
    if isinstance(shown, dict) and isinstance(printed, dict):
        return shown.keys() == printed.keys() and all(
            name in _TIMES or same(value, printed[name]) for name, value in shown.items()
        )
    if isinstance(shown, list) and isinstance(printed, list):
        return len(shown) == len(printed) and all(map(same, shown, printed))
    if isinstance(shown, float):
        return abs(shown - printed) < 0.02
    return shown == printed


@pytest.fixture(scope="module")
def packages(shell: Shell) -> None:
    """Installed as the page says."""
    (install,) = [code for language, code in BLOCKS if language == "sh" and code.startswith("npm ")]
    skip_without_programs(install)
    shell.run(install)


def skip_without_programs(command: str) -> None:
    for program in ("node", "npm", "java", "curl"):
        if re.search(rf"^{program} ", command, re.MULTILINE) and shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if "bin/buf" in command and not list((ROOT / ".venv" / "buf").glob("*/node_modules/.bin/buf")):
        pytest.skip("buf is not installed (make protos-lint)")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("command", "language", "output"), PRINTED, ids=[each[0].splitlines()[-1] for each in PRINTED])
def test_commands_print_what_the_page_says(
    shell: Shell, request: pytest.FixtureRequest, command: str, language: str, output: str
) -> None:
    skip_without_programs(command)
    if "ask-secure" in command:
        request.getfixturevalue("packages")

    printed = shell.run(command)
    if "HANGTAG_WRITE_PAGES" in os.environ:
        start = f"```{language}\n"
        PAGE_FILE.write_text(PAGE_FILE.read_text("utf-8").replace(start + output, start + printed))

    if language == "json":
        assert same(json.loads(output), json.loads(printed)), printed
    else:
        # Hashes and times, which JSON in a line of text has too.
        volatile = re.compile(r'"(?:version|bundleVersion|asOf|taggedAt)":"[^"]*"|[0-9]\.[0-9]{2,}')
        assert volatile.sub("#", printed).split() == volatile.sub("#", output).split()


def test_programs_are_those_of_the_examples() -> None:
    shown = [code for language, code in BLOCKS if language in {"js", "java"}]
    named = re.findall(r"^.*\]\((examples/[\w.-]+)\)\):$", PAGE, re.MULTILINE)

    assert [(ROOT / "docs" / name).read_text("utf-8") for name in named] == shown
    assert {f"docs/examples/{Path(name).name}" for name in named} <= set(re.findall(r"docs/examples/[\w.-]+", PAGE))


def test_every_command_of_curl_is_tested() -> None:
    commands = [code for language, code in BLOCKS if language == "sh" and "curl " in code]

    assert commands == [command for command, _, _ in PRINTED if "curl " in command]
    assert len(commands) >= 8
