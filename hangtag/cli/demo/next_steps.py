"""What to try while the demo is up: shell lines to paste, with its addresses and this installation's programs."""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hangtag.cli.demo.answers import QUESTIONS
from hangtag.cli.demo.programs import Programs
from hangtag.cli.feed_lines import demo_feed
from hangtag.settings import Settings

_WORDS = "boots for men, not black"
# Where the examples look for a server.
_USUAL = "127.0.0.1:50051"
_EVENT = '{"product_id": "sku-1", "title": "Red wool scarf", "merchant_category": "Accessories"}'
# Without a double quote: the shell keeps it in double quotes.
_PRODUCE = (
    "from kafka import KafkaProducer; "
    "p = KafkaProducer(bootstrap_servers='{bootstrap}'); "
    "p.send('{topic}', key=b'sku-2', "
    r"value=b'{{\"product\": {{\"product_id\": \"sku-2\", \"title\": \"Black leather boots\"}}}}').get(10)"
)
_ASK = (
    "import grpc; from hangtag.v1.tags_pb2 import GetProductTagsRequest; "
    "from hangtag.v1.tags_pb2_grpc import TagServiceStub; "
    "s = TagServiceStub(grpc.insecure_channel('{address}')); "
    "print(s.GetProductTags(GetProductTagsRequest(product_id='{product}'), timeout=5))"
)


def next_steps(
    settings: Settings, running: Programs, shown: Sequence[str], feed: str
) -> Iterator[tuple[str, list[str]]]:
    """Groups of lines, each with what they do. `shown` are ids of products that have tags, `feed` is their file."""
    command, python = _this_command(), _python()
    ids = " ".join(shlex.quote(each) for each in shown[:2])
    looks = [f"{command} suggest {shlex.quote(QUESTIONS[0])}"]
    yield "Look up tags", [f"{command} tags {ids}", *looks] if ids else looks
    similar = [f"{command} similar {shlex.quote(each)}" for each in shown[:1]]
    yield (
        "Find products by words and tags, and the question that helps most",
        [f"{command} find --text {shlex.quote(_WORDS)} --counts color", f"{command} clarify --review", *similar],
    )
    if examples := _examples(python, f"{running.host}:{running.port}", feed):
        yield "Talk to a bot, or open a search box", examples
    yield (
        "Send a product of your own",
        [f"echo {shlex.quote(_EVENT)} | {command} publish -", f"{command} tags sku-1"],
    )
    produce = _PRODUCE.format(bootstrap=settings.kafka.bootstrap, topic=settings.kafka.events_topic)
    from_python = [f'{python} -c "{produce}"']
    if shown:
        ask = _ASK.format(address=f"{running.host}:{running.port}", product=shown[0])
        from_python.append(f'{python} -c "{ask}"')
    yield "The same from Python", from_python
    yield "List what could not be tagged", [f"{command} deadletters"]


def _examples(python: str, address: str, feed: str) -> list[str]:
    """The example programs, where this folder is a checkout; they read the titles of products from the feed."""
    folder = Path("docs/examples")
    options = "" if address == _USUAL else f" --server {address}"
    if feed != demo_feed():
        if not feed.endswith(".jsonl"):
            return []
        options += f" --feed {shlex.quote(feed)}"
    names = ("bot.py", "search_box.py")
    return [f"{python} {folder / name}{options}" for name in names if (folder / name).is_file()]


def _this_command() -> str:
    script = Path(sys.argv[0])
    if script.name != "hangtag":
        return f"{_python()} -m hangtag.cli"
    return shlex.quote(_near(script)) if script.is_file() else "hangtag"


def _python() -> str:
    # -P: a folder named `hangtag` in the working folder is not imported instead.
    return f"{shlex.quote(_near(Path(sys.executable)))} -P"


def _near(path: Path) -> str:
    """The shorter of the path from the working folder and the absolute path."""
    return min(os.path.relpath(path), str(path.absolute()), key=len)
