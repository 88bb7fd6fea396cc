"""Making a bundle from int8 weights: calibration, thresholds, evaluation, manifest."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hangtag.bundle import EncoderConfig, Manifest, Scope, Weights, load_bundle, write_bundle
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Logits
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import Calibration, KeyedCalibration, KeyedThresholds, TagThresholds, Thresholds
from hangtag.trainer.exporting.export import ExportError
from hangtag.trainer.fitting.scores import facet_scores
from hangtag.trainer.judging.attributes import words_of_attributes
from hangtag.trainer.judging.decided import decided
from hangtag.trainer.judging.evaluate import Evaluation, evaluate_logits, figures_of, logits_of
from hangtag.trainer.judging.slices import worst_slices
from hangtag.trainer.recipe.recipe import Recipe
from hangtag.trainer.running.prepared import Prepared


@dataclass(frozen=True, slots=True)
class BundleMaker:
    """Makes a run's bundle in `folder`; `exact` are the float model's logits for the validation products.

    `scope` is the row for "about a product", not calibrated, if the model has one.
    """

    folder: Path
    recipe: Recipe
    prepared: Prepared
    encoder: EncoderConfig
    weights: Weights
    exact: Logits
    scope: Scope | None = None

    def finish(self, score: float, epochs: int) -> tuple[Manifest, Evaluation]:
        """Calibrate, set thresholds and evaluate with the int8 engine, then write the bundle.

        `score` is the run's best validation score and `epochs` the number of trained epochs.

        Raises:
            ExportError: int8 loses more than the recipe allows.
            BundleError: the folder holds something other than a bundle.
        """
        # Thresholds are set on the int8 engine's logits, which need a provisional bundle.
        schema = self.prepared.schema
        neutral = KeyedCalibration.of_products(Calibration(temperatures={facet.name: 1.0 for facet in schema.facets}))
        # In a temporary folder, because a bundle that serves nothing must not replace a working one.
        with TemporaryDirectory() as folder:
            self._write(Path(folder) / "bundle", _nothing_served(schema), neutral, self.scope, {})
            provisional = load_bundle(Path(folder) / "bundle")
        engine = open_engine(provisional, "cpu")
        try:
            tagger = Tagger.of(provisional, engine)
            validation, products = self.prepared.validation_products, self.prepared.calibration_products
            logits = logits_of(tagger, validation)
            int8_loss = self._int8_loss(logits)
            examples = self.prepared.calibration
            calibration_logits = logits if products is validation else logits_of(tagger, products)
            words = words_of_attributes(schema, self.prepared.train.products, self.recipe)
            queries = self.prepared.train.queries
            found = decided(tagger, calibration_logits, products, examples, self.recipe, words, queries)
            final = replace(provisional, calibration=found.calibration, thresholds=found.thresholds)
            judged = Tagger.of(final, engine)
            evaluation, slices = evaluate_logits(judged, validation, logits), worst_slices(judged, validation, logits)
        finally:
            engine.close()
        metrics: dict[str, Any] = {
            "epochs": epochs,
            "validation_score": score,
            "int8_loss": int8_loss,
            "pseudo_labels": self.prepared.pseudo_labels,
            "validation": figures_of(evaluation),
            "slices": slices,
            **found.metrics,
        }
        metrics["promise"]["which_chose_the_epoch"] = self.recipe.keep == "best" and products is validation
        return self._write(self.folder, found.thresholds, found.calibration, found.scope, metrics), evaluation

    def _int8_loss(self, logits: Logits) -> float:
        """The points of F1 (mean over facets) that int8 loses, before calibration and thresholds."""
        schema, examples = self.prepared.schema, self.prepared.validation
        exact, found = (facet_scores(each, examples, schema) for each in (self.exact, logits))
        loss = 100 * sum(exact[name] - found[name] for name in exact) / len(exact)
        if loss > self.recipe.max_int8_loss:
            msg = (
                f"int8 loses {loss:.2f} points of F1, more than max_int8_loss {self.recipe.max_int8_loss:g}, so no "
                "bundle was made: train longer, use a lower learning rate, or raise the limit"
            )
            raise ExportError(msg)
        return loss

    def _write(
        self,
        folder: Path,
        thresholds: KeyedThresholds,
        calibration: KeyedCalibration,
        scope: Scope | None,
        metrics: dict[str, Any],
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
            scope=scope,
        )


def _nothing_served(schema: TagSchema) -> KeyedThresholds:
    return KeyedThresholds.of_products(Thresholds(tags={tag: TagThresholds(auto=1, review=1) for tag in schema.tags}))
