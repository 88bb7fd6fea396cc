"""Whether other kinds of processors decide the same tags, emulated on this one.

    python -m benchmarks.kinds --data ../shared/data/marketplace-validation.jsonl.gz     # --quick: within 50 s

oneDNN, which OpenVINO computes with, is told to use no newer instructions than those of an older kind
(ONEDNN_MAX_CPU_ISA); where the kind has no VNNI the engine takes float inputs, as it does there. Each kind runs in a
process of its own. Decisions are compared with those of `model.precision=exact` on this processor. Writes
benchmarks/results/kinds.json.
"""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.closing import add_results, measured_or_exit, write_results
from benchmarks.engine import some_texts
from benchmarks.machine import machine
from benchmarks.main_job import FEED
from hangtag.bundle import load_bundle
from hangtag.engine import Precision, open_engine
from hangtag.tagger.scores import Scores
from hangtag.tagger.tagger import Tagger
from hangtag.tags.tagset import TagSet
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText

Floats = NDArray[np.float32]


class Kind(NamedTuple):
    """A kind of processor: the newest instructions that it has, "" for those of this one."""

    name: str
    instructions: str
    has_vnni: bool = True
    precision: Precision = "exact"


HERE = Kind("this processor", "")
KINDS = (
    HERE,
    Kind("this processor, fast", "", precision="fast"),
    Kind("AVX-512 with VNNI, without bfloat16", "AVX512_CORE_VNNI"),
    Kind("AVX-512 with VNNI, without bfloat16, fast", "AVX512_CORE_VNNI", precision="fast"),
    Kind("AVX-512 without VNNI", "AVX512_CORE", has_vnni=False),
    Kind("AVX2 without VNNI", "AVX2", has_vnni=False),
)


class Answers(NamedTuple):
    """The engine's name, logits (texts, tags), confidences (texts, tags), and the tags of each text."""

    engine: str
    logits: Floats
    confidences: Floats
    tags: list[TagSet]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kinds", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", default="starter")
    parser.add_argument("--data", type=Path, nargs="+", default=[FEED], help="JSONL of products, also as .gz")
    parser.add_argument("--texts", type=int, default=1_000, help="of each file")
    parser.add_argument("--quick", action="store_true", help="within 50 s: 100 texts of each file")
    add_results(parser, "kinds")
    options = parser.parse_args()
    if options.quick:
        options.texts = min(options.texts, 100)
    result = measured_or_exit(lambda: measured(options))
    write_results(result, options.results)
    report(result)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    texts = [text for data in options.data for text in some_texts(data, options.texts)]
    found = {kind: _apart(kind, options.bundle, texts) for kind in KINDS}
    return {
        "machine": machine(),
        "texts": len(texts),
        "kinds": {kind.name: compared(found[HERE], found[kind]) for kind in KINDS},
    }


def _apart(kind: Kind, bundle: str, texts: list[ProductText]) -> Answers:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(answers_of, kind, bundle, texts).result()


def answers_of(kind: Kind, bundle_name: str, texts: list[ProductText]) -> Answers:
    """What the engine answers with the instructions of a kind. For a process that has not opened an engine yet."""
    if kind.instructions:
        os.environ["ONEDNN_MAX_CPU_ISA"] = kind.instructions
    bundle = load_bundle(bundle_name)
    with patch("hangtag.engine.cpu._sums_int8_exactly", lambda: kind.has_vnni):
        engine = open_engine(bundle, "cpu", precision=kind.precision)
    with closing(engine):
        tagger = Tagger.of(bundle, engine)
        scores: Scores = tagger.forward(tagger.encode(texts))
    logits = np.asarray(scores.logits)
    confidences = np.exp(tagger.decoder.log_confidences(logits)).astype(np.float32)
    return Answers(engine.name, logits, confidences, tagger.decode(scores, [TextKind.PRODUCT] * len(texts)))


def compared(here: Answers, there: Answers) -> dict[str, Any]:
    """How often the tags are the same, and by how much scores differ."""
    cosine = (here.logits * there.logits).sum(1)
    cosine /= np.linalg.norm(here.logits, axis=1) * np.linalg.norm(there.logits, axis=1)
    pairs = list(zip(here.tags, there.tags, strict=True))
    auto = [_names(one.tags) == _names(other.tags) for one, other in pairs]
    all_tags = [_names((*one.tags, *one.review)) == _names((*other.tags, *other.review)) for one, other in pairs]
    return {
        "engine": there.engine,
        "same_auto_tags": float(np.mean(auto)),
        "same_tags": float(np.mean(all_tags)),
        "largest_score_difference": float(np.abs(here.confidences - there.confidences).max()),
        "worst_cosine": float(cosine.min()),
    }


def _names(scored: Any) -> frozenset[str]:
    return frozenset(each.tag for each in scored)


def report(result: dict[str, Any]) -> None:
    table = Table("processor", "engine", "same AUTO tags", "same AUTO and REVIEW", "largest difference", "worst cosine")
    for name, found in result["kinds"].items():
        shares = (f"{found[each]:.2%}" for each in ("same_auto_tags", "same_tags"))
        table.add_row(
            name, found["engine"], *shares, f"{found['largest_score_difference']:.2g}", f"{found['worst_cosine']:.6f}"
        )
    Console(stderr=True, width=140).print(table)


if __name__ == "__main__":
    main()
