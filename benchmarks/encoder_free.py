"""Tags decided from kept vectors, against those of the full path: how many differ, and what each costs.

    make bench-encoder-free            # QUICK=1: 1,000 products

20,000 products: those of the files, without any those of the built-in feed, and variations of them with words left out.
Each is tagged by the model; then a bundle with other thresholds and one more blocked tag decides from the vectors, and
its tags are compared with those that it gives in full. Writes benchmarks/results/encoder_free.json.

    encoder_free_cpu_ms   CPU time for each product: from the record of `products.vectors` to its tags
    full_cpu_ms           CPU time for each product in the same run: from its text to its tags
    keep_cpu_ms           CPU time for each product of a worker that keeps vectors: from scores to the record
    same_tags             share of the products with the same tags, in AUTO and in REVIEW; the others are listed
    bytes_a_product       of the topic, compressed with zstd in batches
"""

import argparse
import gzip
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import orjson
from kafka.codec import zstd_encode

from benchmarks.closing import add_results, measured_or_exit, write_results
from benchmarks.machine import machine
from benchmarks.main_job import FEED, read, text_of
from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import open_engine
from hangtag.records import KeptVector, decode_vector, encode_vector
from hangtag.tagger.scores import Scores
from hangtag.tagger.tagger import Tagger
from hangtag.tags.schema import TagSchema
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import TagThresholds
from hangtag.tags.vector import Vector
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.text_hash import text_hash

_BATCH = 64
_DECIDED_AT_ONCE = 256
_QUICK = 1_000
_SEED = 5
_LEFT_OUT = 1 / 6


@dataclass(frozen=True, slots=True)
class Products:
    """Texts, what a bundle computed for them, and the vectors that are kept of it."""

    texts: list[ProductText]
    scores: list[Scores]
    vectors: list[Vector]

    @classmethod
    def of(cls, tagger: Tagger, texts: Sequence[ProductText]) -> Self:
        """Run the model over texts."""
        scores = [
            tagger.forward(tagger.encode(texts[start : start + _BATCH]), with_means=True)
            for start in range(0, len(texts), _BATCH)
        ]
        kept = [vector for each in scores for vector in tagger.vectors.keep(each)]
        has = [vector is not None for vector in kept]
        if not all(has):
            msg = f"{has.count(False)} products have scores that are too large to be kept"
            raise ValueError(msg)
        return cls(list(texts), scores, [vector for vector in kept if vector is not None])

    def full(self, tagger: Tagger) -> list[TagSet]:
        """The tags that another bundle with the same weights gives, from the model's own scores."""
        found = []
        for start, each in zip(range(0, len(self.texts), _BATCH), self.scores, strict=True):
            some = self.texts[start : start + _BATCH]
            named = [tagger.decoder.named(text) for text in some]
            understood = [tagger.reader.read(text, TextKind.PRODUCT) for text in some]
            found += tagger.decode(replace(each, named=named, understood=understood), [TextKind.PRODUCT] * len(some))
        return found


def agreement(tagger: Tagger, products: Products) -> tuple[float, list[dict[str, Any]]]:
    """The share of products whose tags decided from vectors are those of the full path, and how the others differ."""
    decided = [
        tags
        for start in range(0, len(products.texts), _DECIDED_AT_ONCE)
        for tags in tagger.decide(
            list(zip(products.texts, products.vectors, strict=True))[start : start + _DECIDED_AT_ONCE]
        )
    ]
    differences = [
        {"product": number, "full": _shown(one), "decided": _shown(other)}
        for number, (one, other) in enumerate(zip(products.full(tagger), decided, strict=True))
        if _names(one) != _names(other)
    ]
    return 1 - len(differences) / max(1, len(decided)), differences


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.encoder_free",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--data", type=Path, action="append", default=[], help="a gzipped JSONL file of products")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK:,} products: within half a minute")
    add_results(parser, "encoder_free")
    options = parser.parse_args()
    count = min(options.products, _QUICK) if options.quick else options.products
    result = measured_or_exit(lambda: {"machine": machine(), **measure(count, options.data)})
    write_results(result, options.results)
    sys.stdout.buffer.write(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")


def measure(count: int, data: Sequence[Path] = ()) -> dict[str, Any]:
    """The figures of this many products of these files."""
    starter = load_bundle()
    engine = open_engine(starter, "cpu")
    tagger = Tagger.of(starter, engine)
    texts = texts_of(count, data)
    tagger.vectors.keep(tagger.forward(tagger.encode(texts[:1]), with_means=True))  # what is needed once
    full_s = _cpu_of(lambda: tagger(texts[: min(count, _QUICK)]))
    products = Products.of(tagger, texts)
    engine.close()
    records: list[bytes] = []
    keep_s = _cpu_of(lambda: records.extend(_records(tagger, products)))
    other = Tagger.of(decided_otherwise(starter), engine)
    other.vectors.knows(products.vectors[0])  # likewise
    decided_s = _cpu_of(lambda: _decide(other, records))
    share, differences = agreement(other, products)
    return {
        "products": len(texts),
        "encoder_free_cpu_ms": decided_s * 1_000 / len(texts),
        "full_cpu_ms": full_s * 1_000 / min(count, _QUICK),
        "keep_cpu_ms": keep_s * 1_000 / len(texts),
        "same_tags": share,
        "differences": differences,
        "bytes_a_product": sum(len(zstd_encode(b"".join(some))) for some in _batches(records)) / len(texts),
    }


def texts_of(count: int, data: Sequence[Path]) -> list[ProductText]:
    """Products of the files, and then variations of them with some words left out."""
    found = [text for file in data for text in _read(file)]
    found = found or [text_of(event) for event in read(FEED, count)]
    dice = random.Random(_SEED)
    dice.shuffle(found)
    # A third at least are variations: the thresholds were set on some of the others, so that these lie on them.
    originals = found[: count * 2 // 3]
    while len(originals) < count:
        originals.append(_varied(dice.choice(found), dice))
    return originals


def decided_otherwise(bundle: Bundle) -> Bundle:
    """The same weights with other thresholds and another blocked tag."""
    schema = bundle.schema
    thresholds = bundle.thresholds.map(
        lambda entry: entry.model_copy(
            update={
                "tags": {
                    tag: TagThresholds(auto=its.auto * 0.97, review=its.review * 0.93)
                    for tag, its in entry.tags.items()
                }
            }
        )
    )
    blocked = TagSchema.model_validate({**schema.model_dump(), "blocked": (*schema.blocked, schema.tags[-1])})
    return replace(bundle, schema=blocked, thresholds=thresholds)


def _records(tagger: Tagger, products: Products) -> Iterator[bytes]:
    """What a worker produces of the scores."""
    texts = iter(enumerate(products.texts))
    for scores in products.scores:
        for vector, (number, text) in zip(tagger.vectors.keep(scores), texts, strict=False):
            yield encode_vector(KeptVector(f"product-{number}", 1, text, text_hash(text, "en"), vector))


def _decide(tagger: Tagger, records: Sequence[bytes]) -> None:
    for some in _batches(records):
        kept = [decode_vector(each) for each in some]
        tagger.decide([(each.text, each.vector) for each in kept if each.vector and tagger.vectors.knows(each.vector)])


def _batches(records: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (records[start : start + _DECIDED_AT_ONCE] for start in range(0, len(records), _DECIDED_AT_ONCE))


def _read(file: Path) -> Iterator[ProductText]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            found = orjson.loads(line)
            text = ProductText.of(
                *(str(found.get(name) or "") for name in ("title", "description", "merchant_category"))
            )
            if not text.is_empty:
                yield text


def _varied(text: ProductText, dice: random.Random) -> ProductText:
    """Without about a sixth of its words."""

    def some(segment: str) -> str:
        words = segment.split(" ")
        return " ".join([word for word in words if dice.random() > _LEFT_OUT] or words[:1])

    return ProductText(some(text.first), some(text.second))


def _names(tags: TagSet) -> tuple[frozenset[str], frozenset[str], str]:
    auto, review = (frozenset(scored.tag for scored in some) for some in (tags.tags, tags.review))
    return auto, review, tags.language


def _shown(tags: TagSet) -> dict[str, float]:
    return {scored.tag: round(scored.confidence, 5) for scored in (*tags.tags, *tags.review)}


def _cpu_of(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
