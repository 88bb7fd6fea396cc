"""A training run, from labelled products to a bundle."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hangtag.bundle import Manifest, check_place, load_bundle
from hangtag.tags.decoding import Logits
from hangtag.text.wide import Wide
from hangtag.trainer.exporting.card import card_of
from hangtag.trainer.exporting.export import export
from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.files.cache import Cache
from hangtag.trainer.files.folder_lock import locked
from hangtag.trainer.files.run_folder import Epoch, RunFolder
from hangtag.trainer.fitting.epochs import Progress
from hangtag.trainer.fitting.fit import fit
from hangtag.trainer.fitting.predict import predict
from hangtag.trainer.fitting.processes import Processes
from hangtag.trainer.fitting.scores import check_validation
from hangtag.trainer.judging.cautions import Caution
from hangtag.trainer.judging.evaluate import Evaluation
from hangtag.trainer.recipe.recipe import Recipe, RecipeError
from hangtag.trainer.recipe.wide import WideSettings
from hangtag.trainer.running.bundle_maker import BundleMaker
from hangtag.trainer.running.notes import notes_on_data, notes_on_start
from hangtag.trainer.running.prepared import Prepared, prepare
from hangtag.trainer.running.tracking import Tracking
from hangtag.trainer.wide.fit import fit_wide

# The number of texts from which the ranges of int8 inputs are determined.
_CALIBRATION_TEXTS = 400
# The folder, beside the runs, that keeps what was read and tokenised for the next one.
PREPARED = ".prepared"


@dataclass(frozen=True, slots=True)
class Watcher:
    """Callbacks for a run's progress.

    These are: cautions about its data, the name of each stage, what there is to know, every step, every epoch.

    `cautions` is called before the base model is loaded, and may raise an error to end the run there.
    """

    cautions: Callable[[Sequence[Caution]], None] = lambda _: None
    stage: Callable[[str], None] = lambda _: None
    note: Callable[[str], object] = lambda _: None
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
    sized: bool = False,
) -> tuple[Manifest, Evaluation] | None:
    """Fine-tune by the recipe on files below `data`, write the bundle, evaluate it in int8 on the validation files.

    The same call resumes an interrupted run from the folder `run`; for a finished run it only makes the bundle again.
    Without `bundle`, the run is only trained and None is returned. Of several processes only the first makes the
    bundle; the others return None after training. Figures are written to the run's folder, and with `wandb` to W&B.
    With `sized` the number of training products decides some of the settings that the recipe does not set. What was
    read and tokenised is kept in the folder `.prepared` beside `run`, for further runs on the same files.

    Raises:
        RecipeError: recipe and data do not fit, `run` holds a run of another recipe or other files, or no bundle can be
            made with the recipe's method.
        FolderInUseError: another process trains in `run`.
        DivergedError: the loss is not a finite number.
        ExportError: the model cannot be exported, or int8 loses more than the recipe allows.
        LabelledFileError: a labelled file cannot be used.
        BaseModelError: the base model cannot be loaded.
        BundleError: `bundle` holds something other than a bundle.
    """
    if bundle is not None and not recipe.method.merges:
        msg = (
            f"method {recipe.method.kind} cannot be merged into the encoder, so no engine could run its bundle: use "
            "lora, or train without a bundle (--no-bundle) to get only the scores"
        )
        raise RecipeError(msg)
    if bundle is not None:
        check_place(bundle)  # before training, which may take hours
    processes = Processes()
    watcher = watcher if watcher and processes.is_first else Watcher()
    with locked(run) if processes.is_first else nullcontext():
        return _train(recipe, data, RunFolder(run), bundle, watcher, processes, wandb=wandb, sized=sized)


def _train(
    recipe: Recipe,
    data: Path,
    folder: RunFolder,
    bundle: Path | None,
    watcher: Watcher,
    processes: Processes,
    *,
    wandb: bool,
    sized: bool,
) -> tuple[Manifest, Evaluation] | None:
    watcher.stage("Reading and tokenising")
    prepared = prepare(recipe, data, watcher.cautions, sized=sized, cache=Cache(folder.path.parent / PREPARED))
    recipe = prepared.train.recipe
    check_validation(prepared.validation, prepared.schema)  # before the folder is reserved for files that must change
    if processes.is_first:
        folder.claim(recipe, prepared.data_fingerprint, prepared.schema)
    for note in notes_on_data(prepared, sized=sized):
        watcher.note(note)
    return train_prepared(prepared, folder, bundle, watcher, processes, wandb=wandb)


def train_prepared(
    prepared: Prepared,
    folder: RunFolder,
    bundle: Path | None,
    watcher: Watcher,
    processes: Processes,
    *,
    wandb: bool = False,
) -> tuple[Manifest, Evaluation] | None:
    """The run of `train` from there on where its data are prepared; its folder is locked and claimed.

    Raises:
        DivergedError, ExportError, BundleError: see `train`.
    """
    recipe = prepared.train.recipe
    model = prepared.model(recipe, processes.device)
    if recipe.distillation and not folder.is_trained:
        watcher.stage("Computing soft targets")
        if not processes.is_first:
            processes.wait()  # the first process computes them and the others read its file
        prepared = prepared.with_teachers(recipe, folder)
        if processes.is_first:
            processes.wait()
    if folder.is_trained:
        watcher.note(f"{folder.path} holds a trained run: it is not trained again")
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
            lambda start: list(map(watcher.note, notes_on_start(start, prepared, processes))),
        )
    processes.leave()
    if bundle is None or not processes.is_first:
        return None
    watcher.stage("Quantising")
    encoder, weights, scope = export(model, prepared.tokenizer, prepared.encoder_config, _calibration_texts(prepared))
    if recipe.wide is not None:
        watcher.stage("Fitting the wide part")
        weights = replace(weights, wide=_wide(prepared, recipe.wide, folder, watcher))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    exact = _with_wide(predict(model, prepared.validation, recipe), prepared, weights.wide)
    device = str(next(model.parameters()).device)
    del model
    watcher.stage("Setting thresholds and evaluating")
    maker = BundleMaker(bundle, recipe, prepared, encoder, weights, exact, scope)
    manifest, evaluation = maker.finish(max(epoch.score for epoch in history), len(history))
    _name_attributes(manifest, watcher)
    write_text(folder.path / "model-card.md", card_of(load_bundle(bundle)))
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


def _name_attributes(manifest: Manifest, watcher: Watcher) -> None:
    if attributes := manifest.metrics["promise"]["masked"]:
        watcher.stage(f"AUTO only where the text has a word for the tag: {', '.join(attributes)}")


def _with_wide(logits: Logits, prepared: Prepared, wide: Wide | None) -> Logits:
    """Add the wide part's scores to the validation products' logits, as engines do."""
    if wide is None:
        return logits
    features = wide.features([product.text for product in prepared.validation_products])
    return logits + wide.scores(features, logits.shape[1])


def _wide(prepared: Prepared, settings: WideSettings, folder: RunFolder, watcher: Watcher) -> Wide | None:
    """The wide part, fitted once per run; None if no n-gram can be used."""
    kept = folder.wide(settings)
    if kept is None:
        texts, labels = prepared.train.all_examples()
        kept = fit_wide(texts, labels, prepared.schema, settings, lambda facet: watcher.stage(f"  {facet}"))
        if kept is None:
            watcher.stage("  No wide part: every n-gram occurs in too few or too many training products")
        else:
            folder.write_wide(settings, kept)
    return kept


def _calibration_texts(prepared: Prepared) -> list[Any]:
    return [example.tokens for example in (*prepared.train.sample(_CALIBRATION_TEXTS), *prepared.train.made_sample())]
