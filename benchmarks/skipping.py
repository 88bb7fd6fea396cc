"""What would be gained and lost if the encoder were not run where the wide part is sure. Nothing of it is shipped.

    python -m benchmarks.skipping --data ../shared/data --shops ../shared/data/marketplace-shops.csv.gz

Cross-fitted: each tenth of the shops is decided by what was set on the other nine. A facet is sure where the margin of
the wide part's first tag over its second is at least a threshold, from which on its decision is the whole model's with
a probability of at least 99 % (attributes: 95 %) at confidence level 95 %. Rules, each in addition to those before it:

- class: the class is sure, and it is not one with facets of several tags
- attributes: attributes that the text names are sure, where they apply
- no AUTO tag lost: the tag of each level is AUTO by the wide part alone too, or can never be AUTO

By the wide part alone a tag is AUTO from a margin on that is tested as every promise is, from the largest margins
down, on the tags that share a promise; the first test takes the share --first of them.
"""

import argparse
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import f1_score

from hangtag.bundle import load_bundle
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Decoder, Logits
from hangtag.tags.schema import TagSchema
from hangtag.text.kind import TextKind
from hangtag.trainer.data.examples import Example, examples_of
from hangtag.trainer.data.labelled import LabelledProduct, read_labelled
from hangtag.trainer.data.shops import read_shops, with_shops
from hangtag.trainer.judging.calibration import fit_calibration
from hangtag.trainer.judging.cross_fit import FOLDS, shop_folds
from hangtag.trainer.judging.decide import decide, products_for_own
from hangtag.trainer.judging.evaluate import logits_of
from hangtag.trainer.judging.promise import is_shown, min_products
from hangtag.trainer.judging.support import Circumstances
from hangtag.trainer.recipe.recipe import Recipe

LEVELS = ("segment", "family", "class")
ATTRIBUTES = ("audience", "color")
RULES = ("class", "attributes", "no AUTO tag lost")
_AGREEMENT, _OF_ATTRIBUTES, _CONFIDENCE = 0.99, 0.95, 0.95
_FIRST_SHARE, _GROWTH = 0.1, 1.05

Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]
Margins = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Study:
    """Products, the logits of the whole model and of the wide part alone, (products, tags), and what both decide."""

    schema: TagSchema
    products: list[LabelledProduct]
    examples: list[Example]
    circumstances: Circumstances
    recipe: Recipe
    full: Logits
    by_full: dict[str, Rows]
    by_wide: dict[str, Rows]
    margins: dict[str, Margins]

    def right(self, chosen: Rows) -> Flags:
        """Whether each product has the tag."""
        tags = self.schema.tags
        return np.array([tags[at] in product.tags for at, product in zip(chosen, self.products, strict=True)])

    def applies(self, facet: str) -> Flags:
        """Whether an attribute applies to each product, by the wide part, and its text names a tag of it."""
        needed = next(each for each in self.schema.facets if each.name == facet).applies_when
        worn = np.isin(np.array(self.schema.tags)[self.by_wide["segment"]], list(needed))
        return worn & self.circumstances.named[:, self.schema.slices[facet]].any(axis=1)


def lowest(margins: Margins, right: Flags, precision: float, first: float, growth: float) -> float:
    """The lowest margin from which on `right` is shown to hold; infinite without one. See `promised_threshold`."""
    falling = np.argsort(-margins, kind="stable")
    wrong, count = np.cumsum(~right[falling]), len(margins)
    size, found = max(min_products(precision, _CONFIDENCE), int(first * count)), np.inf
    while size <= count and is_shown(size - int(wrong[size - 1]), size, precision, _CONFIDENCE):
        found = float(margins[falling[size - 1]])
        size = count + 1 if size == count else min(count, int(size * growth) + 1)
    return found


def sure(study: Study, seen: Rows) -> tuple[Flags, Flags]:
    """Which products the first rule would skip, and which the second."""
    same = {name: study.by_full[name] == study.by_wide[name] for name in (*LEVELS, *ATTRIBUTES)}
    agree = np.logical_and.reduce([same[name] for name in LEVELS])
    many = [
        tag for facet in study.schema.facets if facet.name not in (*LEVELS, *ATTRIBUTES) for tag in facet.applies_when
    ]
    margins = study.margins["class"]
    by_class = margins >= lowest(margins[seen], agree[seen], _AGREEMENT, _FIRST_SHARE, _GROWTH)
    by_class &= ~np.isin(np.array(study.schema.tags)[study.by_wide["class"]], many)
    both = by_class.copy()
    for name in ATTRIBUTES:
        applies, margins = study.applies(name), study.margins[name]
        rows = seen[applies[seen]]
        both &= ~applies | (margins >= lowest(margins[rows], same[name][rows], _OF_ATTRIBUTES, _FIRST_SHARE, _GROWTH))
    return by_class, both


def auto_alone(study: Study, facet: str, seen: Rows, first: float) -> Flags:
    """Which products have an AUTO tag of a level by the wide part alone."""
    labelled = seen[[facet in study.products[row].facets for row in seen]]
    tags, margins, right = study.by_wide[facet], study.margins[facet], study.right(study.by_wide[facet])
    counts = np.bincount(tags[labelled], minlength=len(study.schema.tags))
    own = counts >= products_for_own(study.recipe)
    result = np.zeros(len(tags), bool)
    # Tags with too few products share a threshold, with those of their parent where these have enough together.
    parents = {tag: study.schema.parents.get(name, ()) for tag, name in enumerate(study.schema.tags)}
    shared: dict[object, list[int]] = {}
    for tag in np.flatnonzero((counts > 0) & ~own).tolist():
        shared.setdefault(parents[tag], []).append(tag)
    large = [group for group in shared.values() if counts[group].sum() >= products_for_own(study.recipe)]
    rest = [tag for group in shared.values() if group not in large for tag in group]
    for group in [[tag] for tag in np.flatnonzero(own).tolist()] + [*large, rest]:
        rows = labelled[np.isin(tags[labelled], group)]
        cut = lowest(margins[rows], right[rows], study.recipe.auto_precision, first, 1.1)
        result |= np.isin(tags, group) & (margins >= cut)
    return result


def measured(study: Study, first: float) -> tuple[dict[str, Flags], dict[str, Flags], dict[str, Flags]]:
    """What each rule skips, and by level what is AUTO by the wide part alone and by the whole model."""
    skipped = {rule: np.zeros(len(study.products), bool) for rule in RULES}
    alone, full = ({name: np.zeros(len(study.products), bool) for name in LEVELS} for _ in range(2))
    folds = shop_folds(study.circumstances.shops, FOLDS, study.recipe.seed)
    for fold in range(FOLDS):
        seen, rows = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        examples = [study.examples[row] for row in seen]
        calibration = fit_calibration(study.full[seen], examples, study.schema)
        its_circumstances = study.circumstances.rows(seen.tolist())
        found = decide(study.full[seen], examples, study.schema, calibration, study.recipe, its_circumstances)
        decoder = Decoder.for_products(study.schema, calibration, found.thresholds)
        named = study.circumstances.named_by(rows.tolist(), study.schema)
        for row, tags in zip(
            rows, decoder.decode(study.full[rows], [TextKind.PRODUCT] * len(rows), named), strict=True
        ):
            for name in LEVELS:
                full[name][row] = any(each.tag.startswith(f"{name}:") for each in tags.tags)
        skipped["class"][rows], skipped["attributes"][rows] = (each[rows] for each in sure(study, seen))
        sure_rows = seen[sure(study, seen)[1][seen]]
        never = np.array([found.thresholds.tags[tag].auto > 1 for tag in study.schema.tags])
        kept = skipped["attributes"][rows].copy()
        for name in LEVELS:
            alone[name][rows] = auto_alone(study, name, sure_rows, first)[rows]
            kept &= alone[name][rows] | never[study.by_wide[name][rows]]
        skipped["no AUTO tag lost"][rows] = kept
    for above, name in pairwise(LEVELS):
        alone[name] &= alone[above]
    return skipped, alone, full


def mean_f1(study: Study, chosen: dict[str, Rows], facets: tuple[str, ...]) -> float:
    """The mean weighted F1 of the top tags, in points, over the products that are labelled for each facet."""
    scores = []
    for name in facets:
        rows = [row for row, product in enumerate(study.products) if name in product.facets]
        truth = [next(iter(study.products[row].tags_of(name)), "") for row in rows]
        found = [study.schema.tags[chosen[name][row]] for row in rows]
        scores.append(100 * f1_score(truth, found, average="weighted", zero_division=0))
    return float(np.mean(scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the starter's validation files")
    parser.add_argument("--shops", type=Path, required=True, help="CSV file with product_id and shop")
    parser.add_argument("--recipe", type=Path, default=Path("trainer/recipes/starter.toml"))
    parser.add_argument("--first", type=float, nargs="+", default=[0.4, 0.5, 0.6, 0.8])
    options = parser.parse_args()
    study = study_of(options.data, options.shops, Recipe.from_file(options.recipe))
    is_offer = np.array(["class" in product.facets for product in study.products])
    table = Table("rule", "first", "skipped", "F1", "F1 of attributes", "class AUTO", "right, skipped", "right, not")
    for first in options.first:
        skipped, alone, full = measured(study, first)
        right = study.right(study.by_wide["class"]), study.right(study.by_full["class"])
        for rule, skips in {"none": np.zeros_like(is_offer), **skipped}.items():
            mixed = {name: np.where(skips, study.by_wide[name], study.by_full[name]) for name in study.by_full}
            short, long = skips & is_offer & alone["class"], ~skips & is_offer & full["class"]
            lost = (mean_f1(study, mixed, some) - mean_f1(study, study.by_full, some) for some in (LEVELS, ATTRIBUTES))
            shares = (f"{right[0][short].mean():.1%}" if short.any() else "-", f"{right[1][long].mean():.1%}")
            covered = (short | long)[is_offer].mean()
            table.add_row(
                *(rule, f"{first:g}", f"{skips[is_offer].mean():.1%}", *(f"{each:+.2f}" for each in lost)),
                *(f"{covered:.1%}", *shares),
            )
    Console().print(table)


def study_of(data: Path, shops: Path, recipe: Recipe) -> Study:
    """The starter on its validation files; this takes a minute."""
    bundle = load_bundle()
    files = [data / name for source in recipe.sources for name in source.validation]
    products = with_shops(read_labelled(files), read_shops(shops))
    engine = open_engine(bundle, "cpu")
    tagger = Tagger.of(bundle, engine)
    full = logits_of(tagger, products)
    engine.close()
    assert bundle.weights.wide is not None
    features = bundle.weights.wide.features([product.text for product in products])
    wide = bundle.weights.wide.scores(features, len(bundle.schema.tags))
    words = bundle.thresholds.entry(TextKind.PRODUCT).words
    margins = {}
    for facet in LEVELS + ATTRIBUTES:
        ordered = np.sort(wide[:, bundle.schema.slices[facet]], axis=1)
        margins[facet] = ordered[:, -1] - ordered[:, -2]
    log_confidences = tagger.decoder.log_confidences
    return Study(
        bundle.schema,
        products,
        examples_of(products, bundle.schema, bundle.tokenizer),
        Circumstances.of(products, bundle.schema, words),
        recipe,
        full,
        tagger.decoder.chosen(log_confidences(full)),
        tagger.decoder.chosen(log_confidences(wide)),
        margins,
    )


if __name__ == "__main__":
    main()
