"""What to try while the demo is up: shell lines to paste, with its addresses and this installation's programs."""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hangtag.cli.demo.answers import QUESTIONS
from hangtag.cli.demo.programs import Programs
from hangtag.settings import Settings

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


def next_steps(settings: Settings, running: Programs, shown: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Groups of lines, each with what they do. `shown`: ids of products that have tags."""
    command, python = _this_command(), _python()
    ids = " ".join(shlex.quote(each) for each in shown[:2])
    looks = [f"{command} suggest {shlex.quote(QUESTIONS[0])}"]
    yield "Look up tags", [f"{command} tags {ids}", *looks] if ids else looks
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
