"""Two runs side by side: tag by tag, and product by product."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.files.made_bundle import made_bundle
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.releasing.compare import Comparison, TagDifference, compare
from hangtag.trainer.releasing.disagreements import Disagreement, disagreements


@dataclass(frozen=True, slots=True)
class Pair:
    """What distinguishes the second run from the first on `products` labelled products."""

    products: int
    comparison: Comparison
    disagreements: Sequence[Disagreement]

    @property
    def tags(self) -> list[TagDifference]:
        """The tags of all facets, the surest differences first."""
        tags = [tag for facet in self.comparison.facets for tag in facet.tags]
        return sorted(tags, key=lambda each: (each.q_of_difference, -abs(each.f1.points), each.tag))

    def to_json(self) -> dict[str, Any]:
        """Plain values: each tag's F1 with both runs, its adjusted p-value, and the products tagged differently."""
        tags = [
            {"tag": each.tag, "products": each.support, "q": each.q_of_difference, **asdict(each.f1)}
            for each in self.tags
        ]
        return {"tags": tags, "disagreements": [each.to_json() for each in self.disagreements]}

    def write(self, path: Path) -> None:
        """Write the products tagged differently as JSON lines.

        Raises:
            OSError: the file cannot be written.
        """
        write_text(path, "".join(orjson.dumps(each.to_json()).decode() + "\n" for each in self.disagreements))


def compare_pair(first: Path, second: Path, products: Sequence[LabelledProduct]) -> Pair:
    """Compare the bundles of two finished runs on labelled products.

    Raises:
        RecipeError: a folder holds no finished run, or its bundle is not found.
        EvaluationError: there is no product, or none is labelled for a facet that both bundles have.
    """
    with ExitStack() as stack:

        def tagger_of(run: Path) -> Tagger:
            _, bundle = made_bundle(run, RunFolder(run).outcome())
            engine = open_engine(bundle, "cpu")
            stack.callback(engine.close)
            return Tagger.of(bundle, engine)

        one, other = tagger_of(first), tagger_of(second)
        return Pair(len(products), compare(one, other, products), disagreements(one, other, products))
