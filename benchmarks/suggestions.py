"""What each step of a suggestion costs.

    python -m benchmarks.suggestions

Processor time of a text, in microseconds: short texts in batches of 16, products of the built-in feed in batches of 8,
long texts one by one. The least of several rounds, so that other load disturbs it little.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks.main_job import FEED, read
from benchmarks.server.requests import KINDS
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2

_STEPS = ("read", "encode, with read", "forward", "decode", "explain")
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.suggestions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", default="starter", help="folder of a bundle")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    tagger = open_tagger(ModelSettings(bundle=options.bundle, engine="cpu", threads=1))
    table = Table("processor time of a text, µs", *_STEPS)
    for name, texts, kind, together in _kinds():
        batches = [texts[start : start + together] for start in range(0, len(texts), together)]
        found = steps(tagger, batches, kind, options.rounds)
        table.add_row(name, *(f"{seconds / len(texts) * 1e6:,.0f}" for seconds in found))
    Console(width=120).print(table)


def steps(tagger: Tagger, batches: Sequence[Sequence[ProductText]], kind: TextKind, rounds: int) -> list[float]:
    """Processor seconds of each step for all batches."""
    kinds = [[kind] * len(batch) for batch in batches]
    reading, _ = _least(rounds, lambda: [[tagger.reader.read(text, kind) for text in batch] for batch in batches])
    encoding, tokens = _least(rounds, lambda: list(map(tagger.encode_located, batches, kinds)))
    running, scores = _least(rounds, lambda: [tagger.forward(each, with_vectors=True) for each in tokens])
    decoding, tags = _least(rounds, lambda: list(map(tagger.decode, scores, kinds)))
    explaining, _ = _least(rounds, lambda: list(map(tagger.explain, scores, tags, kinds)))
    return [reading, encoding, running, decoding, explaining]


def _kinds() -> list[tuple[str, list[ProductText], TextKind, int]]:
    events = [event.product for event in read(FEED, 64)]
    products = [ProductText.of(each.title, each.description, each.merchant_category) for each in events]
    return [
        ("4 words", _texts("short_text", 128), TextKind.QUERY, 16),
        ("product", products, TextKind.PRODUCT, 8),
        ("5,000 characters", _texts("long_text", 6), TextKind.PRODUCT, 1),
    ]


def _texts(kind: str, count: int) -> list[ProductText]:
    """Texts as `make bench-server` sends them."""
    _, build, _, _ = KINDS[kind]
    requests = [tags_pb2.SuggestTagsRequest.FromString(build(number)) for number in range(count)]
    return [ProductText.of(each.text, each.description) for each in requests]


def _least(rounds: int, run: Callable[[], T]) -> tuple[float, T]:
    """The least processor time of several runs, and the result."""
    took = []
    for _ in range(rounds):
        started = time.process_time()
        result = run()
        took.append(time.process_time() - started)
    return min(took), result


if __name__ == "__main__":
    main()
