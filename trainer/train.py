"""A run from labelled products to a bundle."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hangtag.bundle import EncoderConfig, Manifest, Weights, check_place, load_bundle, write_bundle
from hangtag.decoding import Logits
from hangtag.engine import open_engine
from hangtag.schema import TagSchema
from hangtag.tagger import Tagger
from hangtag.thresholds import Calibration, Cut, Thresholds
from hangtag.wide import Wide
from trainer.exporting.export import ExportError, export
from trainer.files.folder_lock import locked
from trainer.fitting.epochs import Progress
from trainer.fitting.fit import fit
from trainer.fitting.predict import predict
from trainer.fitting.processes import Processes
from trainer.fitting.scores import facet_scores
from trainer.judging.calibration import fit_calibration
from trainer.judging.cross_fit import cross_fitted
from trainer.judging.decide import decide
from trainer.judging.evaluate import Evaluation, judge, scores_of
from trainer.prepared import Prepared, prepare
from trainer.recipe import Recipe, RecipeError
from trainer.run_folder import Epoch, RunFolder
from trainer.tracking import Tracking
from trainer.wide.fit import fit_wide
from trainer.wide.settings import WideSettings

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
            "lora, or train without a bundle (--no-bundle) to compare"
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
    maker = _Maker(bundle, recipe, prepared, encoder, weights, exact)
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


@dataclass(frozen=True, slots=True)
class _Maker:
    folder: Path
    recipe: Recipe
    prepared: Prepared
    encoder: EncoderConfig
    weights: Weights
    exact: Logits

    def finish(self, score: float, epochs: int) -> tuple[Manifest, Evaluation]:
        # Decisions are fitted on what the int8 engine says, so a provisional bundle comes first.
        schema = self.prepared.schema
        undecided = Calibration(temperatures={facet.name: 1.0 for facet in schema.facets})
        # Not in its place: a bundle that serves nothing must not replace one that does.
        with TemporaryDirectory() as folder:
            self._write(Path(folder) / "bundle", _undecided(schema), undecided, {})
            provisional = load_bundle(Path(folder) / "bundle")
        engine = open_engine(provisional, "cpu")
        try:
            tagger = Tagger.of(provisional, engine)
            validation, products = self.prepared.validation_products, self.prepared.calibration_products
            logits = scores_of(tagger, validation)
            int8_loss = self._int8_loss(logits)
            examples = self.prepared.calibration
            asked = logits if products is validation else scores_of(tagger, products)
            calibration = fit_calibration(asked, examples, schema)
            decisions = decide(asked, examples, schema, calibration, self.recipe)
            thresholds = decisions.thresholds
            honest = cross_fitted(asked, products, examples, schema, self.recipe)
            decided = Tagger.of(replace(provisional, calibration=calibration, thresholds=thresholds), engine)
            evaluation = judge(decided, validation, logits)
        finally:
            engine.close()
        metrics = {
            "epochs": epochs,
            "validation_score": score,
            "int8_loss": int8_loss,
            "pseudo_labels": self.prepared.pseudo_labels,
            "validation": {
                name: {key: value for key, value in scores.items() if key != "tags"}
                for name, scores in evaluation.to_json()["facets"].items()
            },
            "promise": {
                "precision": self.recipe.auto_precision,
                "confidence": self.recipe.auto_confidence,
                "set_on": len(products),
                "which_chose_the_epoch": self.recipe.keep == "best" and products is validation,
                "tags": {tag: promise.model_dump() for tag, promise in decisions.promises.items()},
            },
            "cross_fitted": {
                name: asdict(served) | {"coverage": served.coverage, "precision": served.precision}
                for name, served in honest.items()
            },
        }
        return self._write(self.folder, thresholds, calibration, metrics), evaluation

    def _int8_loss(self, logits: Logits) -> float:
        """What int8 costs, in points of F1 (mean over facets): plain scores, before calibration and thresholds."""
        schema, examples = self.prepared.schema, self.prepared.validation
        exact, found = (facet_scores(each, examples, schema) for each in (self.exact, logits))
        loss = 100 * sum(exact[name] - found[name] for name in exact) / len(exact)
        if loss > self.recipe.max_int8_loss:
            msg = (
                f"int8 costs {loss:.2f} points of F1, more than max_int8_loss {self.recipe.max_int8_loss:g}, so no "
                "bundle was made: train longer, at a lower learning rate, or raise the limit"
            )
            raise ExportError(msg)
        return loss

    def _write(
        self, folder: Path, thresholds: Thresholds, calibration: Calibration, metrics: dict[str, Any]
    ) -> Manifest:
        return write_bundle(
            folder,
            name=self.recipe.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            base_model=self.recipe.base_model,
            data_fingerprint=self.prepared.data_fingerprint,
            recipe=self.recipe.model_dump(mode="json"),
            metrics=metrics,
            encoder=self.encoder,
            schema=self.prepared.schema,
            thresholds=thresholds,
            calibration=calibration,
            tokenizer=self.prepared.tokenizer,
            weights=self.weights,
        )


def _with_wide(logits: Logits, prepared: Prepared, wide: Wide | None) -> Logits:
    """Logits of the validation products with what the wide part adds, as engines do it."""
    if wide is None:
        return logits
    features = [wide.features(product.text) for product in prepared.validation_products]
    return logits + wide.scores(features, logits.shape[1])


def _wide(prepared: Prepared, settings: WideSettings, folder: RunFolder, watcher: Watcher) -> Wide:
    """The wide part, fitted once a run."""
    kept = folder.wide(settings)
    if kept is None:
        texts, labels = prepared.train.whole()
        kept = fit_wide(texts, labels, prepared.schema, settings, lambda facet: watcher.stage(f"  {facet}"))
        folder.write_wide(settings, kept)
    return kept


def _undecided(schema: TagSchema) -> Thresholds:
    return Thresholds(tags={tag: Cut(auto=1, review=1) for tag in schema.tags})


def _calibration_texts(prepared: Prepared) -> list[Any]:
    return [example.tokens for example in prepared.train.texts(_CALIBRATION_TEXTS)]
