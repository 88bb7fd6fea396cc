"""A run from labelled products to a bundle."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hangtag.bundle import Manifest, check_place
from hangtag.tags.decoding import Logits
from hangtag.text.wide import Wide
from hangtag.trainer.exporting.export import export
from hangtag.trainer.files.folder_lock import locked
from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.fitting.epochs import Progress
from hangtag.trainer.fitting.fit import fit
from hangtag.trainer.fitting.predict import predict
from hangtag.trainer.fitting.processes import Processes
from hangtag.trainer.fitting.scores import check_judges
from hangtag.trainer.judging.evaluate import Evaluation
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.recipe.wide import WideSettings
from hangtag.trainer.running.bundle_maker import BundleMaker
from hangtag.trainer.running.prepared import Prepared, prepare
from hangtag.trainer.running.tracking import Tracking
from hangtag.trainer.wide.fit import fit_wide

# Texts that show the int8 engine the range of every layer's input.
_CALIBRATION_TEXTS = 400


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how a run goes on: the stage's name, every step, every epoch."""

    stage: Callable[[str], None] = lambda _: None
    step: Callable[[Progress], object] = lambda _: None
    epoch: Callable[[Epoch], object] = lambda _: None


def train(
    recipe: Recipe,
    data: Path,
    run: Path,
    bundle: Path | None,
    watcher: Watcher | None = None,
    *,
    wandb: bool = False,
) -> tuple[Manifest, Evaluation] | None:
    """Fine-tune by the recipe on files below `data`, write the bundle, evaluate it in int8 on the validation files.

    `run` keeps the recipe, the history and what is needed to resume: the same call goes on where it stopped, and on a
    finished run it only makes the bundle again. Without `bundle` training is all. Of several processes only the first
    makes the bundle; the others return None after training. Figures go to the run's folder, with `wandb` also to W&B.

    Raises:
        RecipeError: recipe and data do not fit, `run` belongs to another recipe or other files, or its method makes no
            bundle.
        FolderInUseError: another process trains in `run`.
        DivergedError: the loss is no number any more.
        LabelledFileError, BaseModelError, BundleError: see there.
    """
    if bundle is not None and not recipe.method.merges:
        msg = (
            f"method {recipe.method.kind} cannot be merged into the encoder, so no engine could run its bundle: take "
            "lora, or train without a bundle (--no-bundle) for the scores alone"
        )
        raise RecipeError(msg)
    if bundle is not None:
        check_place(bundle)  # before hours of training, not after them
    processes = Processes()
    watcher = watcher if watcher and processes.is_first else Watcher()
    with locked(run) if processes.is_first else nullcontext():
        return _train(recipe, data, RunFolder(run), bundle, watcher, processes, wandb=wandb)


def _train(
    recipe: Recipe,
    data: Path,
    folder: RunFolder,
    bundle: Path | None,
    watcher: Watcher,
    processes: Processes,
    *,
    wandb: bool,
) -> tuple[Manifest, Evaluation] | None:
    watcher.stage("Reading and tokenising")
    prepared = prepare(recipe, data)
    check_judges(prepared.validation, prepared.schema)  # before the folder belongs to files that must change
    if processes.is_first:
        folder.claim(recipe, prepared.data_fingerprint, prepared.schema)
    if prepared.unjudged:
        watcher.stage(f"No validation product is labelled for {', '.join(prepared.unjudged)}: no tag of it is AUTO")
    for facet, count in prepared.contradictory.items():
        watcher.stage(f"{count:,} products carry several tags of {facet}, which is single: they do not count for it")
    if prepared.pseudo_labels:
        told = ", ".join(f"{facet} {count:,}" for facet, count in prepared.pseudo_labels.items())
        watcher.stage(f"Products with pseudo-labels: {told}")
    model = prepared.model(recipe, processes.device)
    if recipe.distillation and not folder.is_trained:
        watcher.stage("Asking the teachers")
        if not processes.is_first:
            processes.wait()  # the first asks them and the others read its answer
        prepared = prepared.with_teachers(recipe, folder)
        if processes.is_first:
            processes.wait()
    watcher.stage("Training")
    with Tracking(folder, recipe, wandb=wandb) if processes.is_first else nullcontext(Watcher()) as tracking:
        history = fit(
            model,
            prepared.train,
            prepared.validation,
            recipe,
            folder,
            lambda at: (watcher.step(at), tracking.step(at)),
            lambda epoch: (watcher.epoch(epoch), tracking.epoch(epoch)),
            processes,
        )
    processes.leave()
    if bundle is None or not processes.is_first:
        return None
    watcher.stage("Quantising")
    encoder, weights = export(model, prepared.tokenizer, prepared.encoder_config, _calibration_texts(prepared))
    if recipe.wide is not None:
        watcher.stage("Fitting the wide part")
        weights = replace(weights, wide=_wide(prepared, recipe.wide, folder, watcher))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    exact = _with_wide(predict(model, prepared.validation, recipe), prepared, weights.wide)
    device = str(next(model.parameters()).device)
    del model
    watcher.stage("Setting thresholds and evaluating")
    maker = BundleMaker(bundle, recipe, prepared, encoder, weights, exact)
    manifest, evaluation = maker.finish(max(epoch.score for epoch in history), len(history))
    folder.write_outcome(
        {
            "bundle": str(bundle),
            "version": manifest.version,
            "bytes": sum(file.stat().st_size for file in bundle.iterdir()),
            "training_seconds": sum(epoch.seconds for epoch in history),
            "device": device,
            "parameters": parameters,
            "evaluation": evaluation.to_json(),
        }
    )
    return manifest, evaluation


def _with_wide(logits: Logits, prepared: Prepared, wide: Wide | None) -> Logits:
    """Logits of the validation products with what the wide part adds, as engines do it."""
    if wide is None:
        return logits
    features = [wide.features(product.text) for product in prepared.validation_products]
    return logits + wide.scores(features, logits.shape[1])


def _wide(prepared: Prepared, settings: WideSettings, folder: RunFolder, watcher: Watcher) -> Wide | None:
    """The wide part, fitted once a run; None where no n-gram is left to fit one on."""
    kept = folder.wide(settings)
    if kept is None:
        texts, labels = prepared.train.whole()
        kept = fit_wide(texts, labels, prepared.schema, settings, lambda facet: watcher.stage(f"  {facet}"))
        if kept is None:
            watcher.stage("  There is no wide part: every n-gram is in too few or too many of the training products")
        else:
            folder.write_wide(settings, kept)
    return kept


def _calibration_texts(prepared: Prepared) -> list[Any]:
    return [example.tokens for example in prepared.train.texts(_CALIBRATION_TEXTS)]
