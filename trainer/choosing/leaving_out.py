"""Training a run once more without the products of a category, to see what a category without examples gets."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from hangtag.bundle import load_bundle
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.query_words_file import query_maker_of
from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.files.folder_lock import locked
from hangtag.trainer.files.left_out import LEFT_OUT, RESULT
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.fitting.processes import Processes
from hangtag.trainer.judging.left_out import LeftOut, left_out_answers
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.running.prepared import Prepared, prepare
from hangtag.trainer.running.train import Watcher, train_prepared

_LEAST_PRODUCTS = 2
_DIGITS = 12


def leave_out(run: Path, data: Path, tag: str, watcher: Watcher | None = None) -> LeftOut:
    """Train by a run's recipe without the products of a tag, training and validation alike, and tag these products.

    The tag stays in the schema, without an example. The result is kept below the run's folder; the same call resumes
    an interrupted training, and trains no more once there is a result. Weights and bundle are removed in the end.

    Raises:
        RecipeError: `run` holds no run, its recipe takes knowledge of the tag from elsewhere, no product or nearly
            every one has the tag, or the files have changed.
        FolderInUseError: another process leaves out the same tag.
        LabelledFileError, BaseModelError: see `prepare`.
        DivergedError, ExportError: see `train_prepared`.
        OSError: the folder cannot be written.
    """
    recipe = RunFolder(run).recipe()
    _check(recipe)
    folder = RunFolder(run / LEFT_OUT / hashlib.sha256(tag.encode()).hexdigest()[:_DIGITS])
    watcher = watcher or Watcher()
    with locked(folder.path):
        watcher.stage("Reading and tokenising")
        prepared = prepare(recipe, data)
        folder.claim(recipe, prepared.data_fingerprint, prepared.schema)
        if (kept := _kept(folder.path / RESULT)) is not None:
            return kept
        remaining, products = _without(prepared, tag, data)
        train_prepared(remaining, folder, folder.path / "bundle", watcher, Processes())
        watcher.stage(f"Tagging the products with {tag}")
        found = _answers(folder.path / "bundle", tag, products, remaining)
        write_text(folder.path / RESULT, found.model_dump_json(indent=1) + "\n")
        folder.best.unlink(missing_ok=True)  # weights of many trainings would fill the disk
        shutil.rmtree(folder.path / "bundle")
    return found


def _check(recipe: Recipe) -> None:
    for name in ("start_from", "distillation", "pseudo_labels"):
        if getattr(recipe, name):
            msg = f"the run's recipe has {name}, which may know the products that are left out: train one without it"
            raise RecipeError(msg)


def _without(prepared: Prepared, tag: str, data: Path) -> tuple[Prepared, list[LabelledProduct]]:
    """What is left to train and to set thresholds on, and the products that are left out."""
    train, schema = prepared.train, prepared.schema
    if tag not in schema.index:
        close = get_close_matches(tag, schema.tags, n=3)
        msg = f"no training product has {tag}" + (f"; did you mean {' or '.join(close)}?" if close else "")
        raise RecipeError(msg)
    sources = [[product for product in source if tag not in product.tags] for source in train.sources]
    validation, calibration = (
        [row for row, product in enumerate(products) if tag not in product.tags]
        for products in (prepared.validation_products, prepared.calibration_products)
    )
    if min(sum(map(len, sources)), len(validation), len(calibration)) < _LEAST_PRODUCTS:
        msg = f"nearly every product has {tag}: without them there is nothing left to train on or to set thresholds on"
        raise RecipeError(msg)
    left = [product for product in (*train.products, *prepared.validation_products) if tag in product.tags]
    products = [product for source in sources for product in source]
    queries = query_maker_of(train.recipe, products, schema, data)
    apart = prepared.calibration_products is not prepared.validation_products
    examples = [prepared.validation[row] for row in validation]
    its_products = [prepared.validation_products[row] for row in validation]
    remaining = replace(
        prepared,
        train=replace(train, sources=sources, queries=queries, tokens=None),
        validation=examples,
        validation_products=its_products,
        calibration=[prepared.calibration[row] for row in calibration] if apart else examples,
        calibration_products=[prepared.calibration_products[row] for row in calibration] if apart else its_products,
    )
    return remaining, left


def _answers(bundle: Path, tag: str, products: Sequence[LabelledProduct], remaining: Prepared) -> LeftOut:
    loaded = load_bundle(bundle)
    engine = open_engine(loaded, "cpu")
    try:
        trained = len(remaining.train.products)
        return left_out_answers(Tagger.of(loaded, engine), tag, products, remaining.validation_products, trained)
    finally:
        engine.close()


def _kept(file: Path) -> LeftOut | None:
    try:
        return LeftOut.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):  # missing, or of another version
        return None
