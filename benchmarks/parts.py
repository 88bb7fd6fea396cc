"""The contributions of a bundle's parts: encoder, wide part and both, in int8 and in float.

Mean F1 over the single facets that are levels of one chain, with 95 % bootstrap intervals of the differences to the
complete int8 bundle (percentiles over resampled products: Efron and Tibshirani 1993, chapter 13).

Example: python -m benchmarks.parts --run runs/starter --bundle hangtag/starter --data ../shared/data \
    --files marketplace-validation.jsonl.gz
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Decoder, Logits
from hangtag.trainer.data.examples import examples_of
from hangtag.trainer.data.labelled import LabelledProduct, read_labelled
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.fitting.predict import predict
from hangtag.trainer.judging.evaluate import logits_of
from hangtag.trainer.running.prepared import prepare

RESAMPLES = 300
Labels = dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the run's files")
    parser.add_argument("--files", nargs="+", required=True, help="labelled files below --data")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    products = read_labelled([options.data / file for file in options.files])
    float_encoder = encoder_logits(RunFolder(options.run), options.data, products)
    tokens = bundle.tokenizer([product.text for product in products])
    wide = bundle.weights.wide
    wide_alone = np.zeros_like(float_encoder)
    if wide is not None:
        wide_alone = wide.scores([each.features for each in tokens if each.features is not None], wide_alone.shape[1])
    narrow = replace(bundle, weights=replace(bundle.weights, wide=None))
    int8_encoder = int8_logits(narrow, products)
    ways = {
        "int8 encoder and wide part, as shipped": int8_encoder + wide_alone,
        "float encoder and wide part": float_encoder + wide_alone,
        "int8 encoder alone": int8_encoder,
        "float encoder alone": float_encoder,
        "wide part alone": wide_alone,
    }
    report({name: labels_of(bundle, products, logits) for name, logits in ways.items()})


def encoder_logits(run: RunFolder, data: Path, products: list[LabelledProduct]) -> Logits:
    """Logits of the fine-tuned encoder in float32, of shape (products, tags)."""
    recipe = run.recipe().model_copy(update={"precision": "fp32"})
    prepared = prepare(recipe, data)
    model = prepared.model(recipe)
    model.load_state_dict(load_file(run.best))
    return predict(model, examples_of(products, prepared.schema, prepared.tokenizer), recipe)


def int8_logits(bundle: Bundle, products: list[LabelledProduct]) -> Logits:
    engine = open_engine(bundle, "cpu")
    try:
        return logits_of(Tagger.of(bundle, engine), products)
    finally:
        engine.close()


def labels_of(bundle: Bundle, products: list[LabelledProduct], logits: Logits) -> Labels:
    """For each single facet, the positions of the true and the predicted tags of the products labelled for it."""
    schema = bundle.schema
    decoder = Decoder(schema, bundle.calibration, bundle.thresholds)
    chosen = decoder.chosen(decoder.log_confidences(logits))
    result = {}
    for facet, predicted in chosen.items():
        true = [next((schema.index[tag] for tag in each.tags if tag.startswith(f"{facet}:")), -1) for each in products]
        rows = np.flatnonzero(np.array(true) >= 0)
        if len(rows):
            result[facet] = (np.array(true)[rows], predicted[rows])
    return result


def means(labels: Labels, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Mean weighted and mean macro F1 over the facets, in percent."""
    each = [
        [100 * f1_score(*(side if rows is None else side[rows] for side in sides), average=kind, zero_division=0)]
        for sides in labels.values()
        for kind in ("weighted", "macro")
    ]
    return np.array(each).reshape(-1, 2).mean(axis=0)


def report(ways: dict[str, Labels]) -> None:
    table = Table("what", "weighted F1", "difference", "macro F1", "difference", title="mean over the facets, %")
    shipped = next(iter(ways.values()))
    count = len(next(iter(shipped.values()))[0])
    rng = np.random.default_rng(0)
    resamples = [rng.integers(0, count, count) for _ in range(RESAMPLES)]
    base = np.stack([means(shipped, rows) for rows in resamples])
    for name, labels in ways.items():
        found = means(labels)
        if labels is shipped:
            low, high = np.percentile(base, (2.5, 97.5), axis=0)
            cells = [f"{low[k]:.2f} to {high[k]:.2f}" for k in (0, 1)]
        else:
            low, high = np.percentile(np.stack([means(labels, rows) for rows in resamples]) - base, (2.5, 97.5), axis=0)
            cells = [f"{low[k]:+.2f} to {high[k]:+.2f}" for k in (0, 1)]
        table.add_row(name, f"{found[0]:.2f}", cells[0], f"{found[1]:.2f}", cells[1])
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
