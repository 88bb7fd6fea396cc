"""What other promises would mean for a run, from the files that its thresholds were set on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.text.kind import TextKind
from hangtag.trainer.data.examples import examples_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.judging.evaluate import logits_of, logits_of_texts
from hangtag.trainer.judging.what_if import PROMISES, Step, what_if
from hangtag.trainer.reporting.gather import Gathered
from hangtag.trainer.running.prepared import held_out_products

# The steps of each facet, by rising promise.
TradeOffs = Mapping[str, Sequence[Step]]


class _Cache(BaseModel):
    """Finished steps; `key` identifies the bundle, the files and the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    facets: dict[str, list[Step]]


def trade_offs_of(
    gathered: Gathered, data: Path, cache: Path, on_stage: Callable[[str], None] = lambda _: None
) -> TradeOffs:
    """The steps of every facet. Those in `cache` (a JSON file) are used if bundle, files and settings are the same.

    Raises:
        LabelledFileError: a file cannot be read.
        OSError: the cache cannot be written.
    """
    key = _key(gathered)
    try:
        kept = _Cache.model_validate_json(cache.read_bytes())
    except (OSError, ValidationError):  # missing, or damaged
        kept = None
    if kept is None or kept.key != key:
        kept = _Cache(key=key, facets=_steps(gathered, data, on_stage))
        write_text(cache, kept.model_dump_json(indent=1) + "\n")
    return kept.facets


def _steps(gathered: Gathered, data: Path, on_stage: Callable[[str], None]) -> dict[str, list[Step]]:
    bundle, recipe = gathered.bundle, gathered.recipe
    apart = held_out_products(recipe, data, "calibration")
    products: list[LabelledProduct] = apart or held_out_products(recipe, data, "validation")
    on_stage(f"Thresholds for {len(PROMISES)} other promises")
    engine = open_engine(bundle, "cpu")
    try:
        tagger = Tagger.of(bundle, engine)
        return what_if(
            logits_of(tagger, products) if apart else gathered.logits,
            products,
            examples_of(products, bundle.schema, bundle.tokenizer),
            bundle.schema,
            recipe,
            bundle.thresholds.entry(TextKind.PRODUCT).words,
            lambda texts: logits_of_texts(tagger, texts),
        )
    finally:
        engine.close()


def _key(gathered: Gathered) -> str:
    recipe, manifest = gathered.recipe, gathered.bundle.manifest
    settings = recipe.model_dump(mode="json", include={"auto_precision", "auto_confidence", "review_precision", "seed"})
    parts = [manifest.version, manifest.data_fingerprint, settings, PROMISES]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
