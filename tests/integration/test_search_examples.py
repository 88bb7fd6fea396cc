"""docs/examples/bot.py and search_box.py, with the demo's products, against a real server and a real index."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import orjson
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from hangtag.cli.feed_lines import demo_feed
from hangtag.index import Change, Index
from hangtag.records.tagged import TaggedProduct, encode_tags
from hangtag.server.index.calls import index_handlers
from hangtag.server.index.moment import Moment
from hangtag.settings import ModelSettings, RedisSettings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from tests.integration.server.parts import SERVING, serving, settings_for, until
from tests.integration.webdriver import Page, browsing

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
# Where to keep a picture of the page, to look at it.
PICTURES = os.environ.get("HANGTAG_PICTURES")


def demo_index(tagger: Tagger) -> Index:
    products = [orjson.loads(line) for line in Path(demo_feed()).read_bytes().splitlines()]
    texts = [ProductText.of(each["title"], each["description"], each["merchant_category"]) for each in products]
    changes = []
    for start in range(0, len(texts), 32):
        some = texts[start : start + 32]
        found = tagger.decode(tagger.forward(tagger.encode(some)), [TextKind.PRODUCT] * len(some))
        for each, tags in zip(products[start:], found, strict=False):
            product = TaggedProduct(each["product_id"], 1, tags, tagger.bundle.version, 0)
            changes.append(Change(each["product_id"].encode(), (1, False, 0, 0), encode_tags(product)))
    index = Index()
    index.build()
    index.take(changes)
    return index


@contextmanager
def serving_index(index: Index) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    servicer.set("hangtag.v1.TagService", health_pb2.HealthCheckResponse.SERVING)
    server.add_generic_rpc_handlers((index_handlers(lambda: Moment(index.view(), {}, time.time())),))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


@pytest.fixture(scope="module")
def server(valkey_url: str) -> Iterator[str]:
    """The address of a server that searches the demo's products."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    tagger = open_tagger(ModelSettings(engine="cpu"))
    settings = RedisSettings(url=f"{valkey_url.rsplit('/', 1)[0]}/0", timeout_ms=20_000)
    with (
        serving_index(demo_index(tagger)) as port,
        serving(loop, settings_for(settings, index_address=f"127.0.0.1:{port}"), tagger) as served,
    ):
        until(lambda: served.health("hangtag.v1.Search") == SERVING)
        yield f"127.0.0.1:{served.port}"
    loop.call_soon_threadsafe(loop.stop)


def talk(server: str, *lines: str) -> str:
    """What the bot prints when somebody types these lines."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "bot.py", "--server", server],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Goodbye.\n")
    return done.stdout


def test_the_bot_asks_one_question_takes_the_answer_and_shows_products(server):
    said = talk(server, "for women", "lower body wear/bottoms")

    assert "Which of these is it?\n  1  jewellery (4)\n" in said
    assert "You asked for: women.\nThe best 3 of 3:\n" in said
    assert "Floral maxi skirt, tiered, elasticated waist  [lower body wear/bottoms, women]" in said


def test_the_bot_takes_other_words_and_something_else_for_an_answer(server):
    said = talk(server, "for women", "o", "s", "for women", "in blue", "for women", "?", "s")

    other, blue, unknown = said.split("> for women\n")[1:]
    assert "jewellery" not in other.split("> o\n")[1]
    assert "You asked for: women, blue.\n  Denim dungarees, women's, mid blue" in blue
    assert "class" not in unknown.split("> ?\n")[1].split("Which")[0]


def test_the_bot_leaves_out_what_is_not_wanted_and_says_so(server):
    said = talk(server, "boots for men, not black")

    assert "I left out: black." in said
    assert "Leather Chelsea boots" in said


def test_the_bot_says_what_it_cannot_help_with_and_goes_on_where_nothing_is_found(server):
    said = talk(server, "where is my order?", "purple boots for men", "y", "s", "purple boots", "n", "rote Schuhe")

    elsewhere, found, refused = (
        said.split("> y\n")[0],
        said.split("> y\n")[1].split("> purple")[0],
        said.split("> n\n")[1],
    )
    assert "I can only help to find products." in elsewhere
    assert "Without color purple there are" in elsewhere
    # What was asked for beside the color is still asked for.
    assert "Leather Chelsea boots, men's, dark brown" in found
    assert "I do not understand this language yet" in refused


def test_the_bot_survives_a_server_that_is_away():
    assert "Something went wrong here (UNAVAILABLE" in talk("127.0.0.1:1", "boots")


@pytest.fixture
def search_box(server: str) -> Iterator[str]:
    arguments = [sys.executable, "-u", EXAMPLES / "search_box.py", "--server", server, "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def test_the_page_shows_what_was_understood_and_can_be_changed_by_hand(search_box, tmp_path):
    driver = shutil.which("chromedriver")
    if driver is None or not shutil.which("chromium"):
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    with browsing(driver) as page:
        page.open(f"{search_box}/?q=footwaer for men")
        page.until(lambda: "Did you mean: footwear for men?" in page.texts("#notes")[0])
        page.open(search_box)
        page.until(lambda: "More" in page.texts("#more"))
        first = page.texts("li")
        page.click("#more button")
        page.until(lambda: len(page.texts("li")) == 2 * len(first))
        assert len(set(page.texts("li"))) > len(first)

        page.type("#text", "white blouse for women under 50 eur")
        page.click("form button")
        page.until(lambda: "No product has all of this." in page.texts("#notes")[0])
        chips = [chip.replace("\n×", "").removesuffix("×") for chip in page.texts(".chip")]
        certain = [chip for chip in chips if not chip.startswith("preferably")]
        assert certain == ["women", "white", "price under 50 eur (not searched for)"]
        keep(page, tmp_path, "understood")

        page.click("#notes button", "Without white")
        page.until(lambda: "3 products" in page.texts("#notes"))
        page.click(".value label", "blue")
        page.until(lambda: "1 product" in page.texts("#notes"))
        assert page.texts("li")[0].startswith("Denim dungarees, women's, mid blue")
        keep(page, tmp_path, "chosen")

        page.type("#text", "boots for men, not black")
        page.click("form button")
        page.until(lambda: page.texts(".chip.excluded"))
        assert page.texts(".chip.excluded")[0].startswith("not black")
        page.click(".chip.excluded button")
        page.until(lambda: page.texts(".chip") and not page.texts(".chip.excluded"))


def keep(page: Page, folder: Path, name: str) -> None:
    page.screenshot(Path(PICTURES or folder) / f"search-box-{name}.png")
