"""Evaluation of a bundle on labelled products: precision, recall and F1 by scikit-learn's definitions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from hangtag.tagger.scores import Scores
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Logits
from hangtag.tags.schema import Facet, FacetKind
from hangtag.tags.tagset import TagSet
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.judging.known_labels import known_labels

_BATCH = 512
# Names in a note.
_MAX_NAMES = 10


class EvaluationError(TrainerError):
    """The products cannot be used for an evaluation; the message says which labels are needed."""


@dataclass(frozen=True, slots=True)
class TagScore:
    """One tag's figures; `support` is the number of products that have the tag."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class FacetScore:
    """One facet's figures over the products that are labelled for it.

    Averages are scikit-learn's, over the predicted tags (see `predicted_tags`). `auto_coverage` is the share of the
    labelled products that are served an AUTO tag of the facet, which also requires that the facet applies;
    `auto_precision` is the share of those tags that are right.
    """

    weighted_f1: float
    macro_f1: float
    micro_f1: float
    support: int
    auto_coverage: float
    auto_precision: float
    tags: dict[str, TagScore]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of every facet that the products are labelled for.

    `unknown_tags` and `unknown_facets` are labels that the bundle does not know, with their numbers of products. They
    are in no figure (see `known_labels`).
    """

    facets: dict[str, FacetScore]
    unknown_tags: dict[str, int]
    unknown_facets: dict[str, int]

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures should know: the labels that they leave out."""
        notes = []
        for what, counts in (("tags", self.unknown_tags), ("facets", self.unknown_facets)):
            if counts:
                shown = ", ".join(f"{name} ({count:,})" for name, count in list(counts.items())[:_MAX_NAMES])
                more = f" and {len(counts) - _MAX_NAMES:,} more" if len(counts) > _MAX_NAMES else ""
                notes.append(f"in no figure, because the bundle lacks these labelled {what} (products): {shown}{more}")
        return notes

    def to_json(self) -> dict[str, Any]:
        """Plain values: `{"facets": {"class": {"weighted_f1": ..., "tags": {...}}}, "unknown_tags": {...}, ...}`."""
        return asdict(self)


def figures_of(evaluation: Evaluation) -> dict[str, Any]:
    """The averages of every facet, without those of its tags, as a manifest holds them."""
    return {
        name: {key: value for key, value in scores.items() if key != "tags"}
        for name, scores in evaluation.to_json()["facets"].items()
    }


def evaluate(
    tagger: Tagger, products: Sequence[LabelledProduct], on_batch: Callable[[int], None] = lambda _: None
) -> Evaluation:
    """Tag the products and compare with their labels; `on_batch` is called with the number of products of each batch.

    Raises:
        EvaluationError: no product is labelled for a facet of the bundle.
    """
    logits = logits_of(tagger, products, on_batch)
    return evaluate_logits(tagger, products, logits)


def logits_of(
    tagger: Tagger,
    products: Sequence[LabelledProduct],
    on_batch: Callable[[int], None] = lambda _: None,
    kind: TextKind = TextKind.PRODUCT,
) -> Logits:
    """The products' logits, of shape (products, tags), as texts of a kind."""
    return logits_of_texts(tagger, [product.text for product in products], on_batch, kind)


def logits_of_texts(
    tagger: Tagger,
    texts: Sequence[ProductText],
    on_batch: Callable[[int], None] = lambda _: None,
    kind: TextKind = TextKind.PRODUCT,
) -> Logits:
    """The texts' logits, of shape (texts, tags)."""
    result = np.empty((len(texts), len(tagger.bundle.schema.tags)), np.float32)
    for batch, tokens in _batches(tagger, texts, kind):
        result[batch] = tagger.forward(tokens).logits
        on_batch(len(batch))
    return result


def scope_scores_of(tagger: Tagger, texts: Sequence[ProductText], kind: TextKind) -> NDArray[np.float64]:
    """The scores of the bundle's scope for the texts, not calibrated, of shape (texts,)."""
    result = np.empty(len(texts))
    for batch, tokens in _batches(tagger, texts, kind):
        result[batch] = tagger.engine.forward(tokens)[:, -1]
    return result


def _batches(tagger: Tagger, texts: Sequence[ProductText], kind: TextKind) -> Iterator[tuple[list[int], list[Tokens]]]:
    """The places and tokens of texts in batches of similar length."""
    tokens = tagger.encode(texts, [kind] * len(texts))
    by_length = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
    for start in range(0, len(by_length), _BATCH):
        batch = by_length[start : start + _BATCH]
        yield batch, [tokens[index] for index in batch]


def served_tags(tagger: Tagger, products: Sequence[LabelledProduct], logits: Logits) -> list[TagSet]:
    """The tags that are served for the products; the logits have the shape (products, tags)."""
    named = [tagger.decoder.named(product.text) for product in products]
    return tagger.decode(Scores(logits, named), [TextKind.PRODUCT] * len(products))


def predicted_tags(tagger: Tagger, logits: Logits) -> NDArray[np.bool_]:
    """Whether each tag is predicted for each product, as if every facet applied; both of shape (products, tags).

    In a single facet the top tag is predicted, in a multi facet every tag in REVIEW or AUTO. Blocked tags never are.
    """
    schema, decoder = tagger.bundle.schema, tagger.decoder
    thresholds = tagger.bundle.thresholds.entry(TextKind.PRODUCT).tags
    log_confidences = decoder.log_confidences(logits)
    result = np.zeros(logits.shape, bool)
    for positions in decoder.chosen(log_confidences).values():
        result[np.arange(len(logits)), positions] = True
    for facet in schema.facets:
        if facet.kind is FacetKind.MULTI:
            where = schema.slices[facet.name]
            cuts = np.array([thresholds[tag].review for tag in facet.tags])
            result[:, where] = np.exp(log_confidences[:, where]) >= cuts
    result[:, [schema.index[tag] for tag in schema.blocked]] = False
    return result


def evaluate_logits(tagger: Tagger, products: Sequence[LabelledProduct], logits: Logits) -> Evaluation:
    """Compare predictions with labels; the logits have the shape (products, tags).

    Labels that the bundle does not know are named, and count neither as right nor as wrong.

    Raises:
        EvaluationError: no product is labelled for a facet of the bundle, or the bundle knows none of the labels.
    """
    schema = tagger.bundle.schema
    known = known_labels(products, schema)
    predicted = predicted_tags(tagger, logits)
    served = served_tags(tagger, products, logits)
    facets = {}
    for facet in schema.facets:
        rows = [row for row, product in enumerate(known.products) if facet.name in product.facets]
        if not rows:
            continue
        truth = [{tag for tag in known.products[row].tags if tag.startswith(f"{facet.name}:")} for row in rows]
        of_facet = predicted[rows, schema.slices[facet.name]]
        found = [{tag for tag, fits in zip(facet.tags, row, strict=True) if fits} for row in of_facet]
        facets[facet.name] = facet_score(facet, truth, found, [served[row] for row in rows])
    if not facets and known.tags:
        names = ", ".join(list(known.tags)[:_MAX_NAMES])
        msg = f"the bundle knows none of the labels, such as {names}: train with them"
        raise EvaluationError(msg)
    if not facets:
        msg = f"no product is labelled for a facet of the bundle: {[facet.name for facet in schema.facets]}"
        raise EvaluationError(msg)
    return Evaluation(facets, known.tags, known.facets)


def facet_score(
    facet: Facet, truth: Sequence[set[str]], found: Sequence[set[str]], served: Sequence[TagSet]
) -> FacetScore:
    """A facet's figures from each labelled product's true tags, predicted tags (`found`) and served tags."""
    binarizer = MultiLabelBinarizer().fit([*truth, *found])
    # A facet without labelled or predicted tags still has figures: all 0.
    labels = list(binarizer.classes_) or [facet.tags[0]]
    binarizer = MultiLabelBinarizer(classes=labels)
    y_true, y_pred = binarizer.fit_transform(truth), binarizer.fit_transform(found)
    # scikit-learn takes a single column as binary, with "no" as a second class.
    classes = [1] if len(labels) == 1 else None

    def average(kind: str) -> float:
        return float(precision_recall_fscore_support(y_true, y_pred, labels=classes, average=kind, zero_division=0)[2])

    each = precision_recall_fscore_support(y_true, y_pred, labels=classes, average=None, zero_division=0)
    prefix = f"{facet.name}:"
    auto = [[scored.tag for scored in tags.tags if scored.tag.startswith(prefix)] for tags in served]
    right = [tag in tags for its_auto, tags in zip(auto, truth, strict=True) for tag in its_auto]
    return FacetScore(
        weighted_f1=average("weighted"),
        macro_f1=average("macro"),
        micro_f1=average("micro"),
        support=len(truth),
        auto_coverage=float(np.mean([bool(tags) for tags in auto])),
        auto_precision=float(np.mean(right)) if right else 0.0,
        tags={
            label: TagScore(float(precision), float(recall), float(f1), int(support))
            for label, precision, recall, f1, support in zip(labels, *each, strict=True)
        },
    )
