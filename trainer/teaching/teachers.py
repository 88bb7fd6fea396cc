"""Teachers: bundles opened on the best available engine."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from hangtag.bundle import BundleError, load_bundle
from hangtag.engine import EngineError, open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.trainer.recipe.recipe import RecipeError


@contextmanager
def opened_teachers(folders: Sequence[str]) -> Iterator[list[Tagger]]:
    """The taggers of these bundles; their engines are closed when the block ends.

    Raises:
        RecipeError: a bundle cannot be loaded.
    """
    with ExitStack() as stack:
        taggers = []
        for folder in folders:
            try:
                bundle = load_bundle(folder)
                engine = open_engine(bundle, "auto")
            except (BundleError, EngineError) as error:
                msg = f"teacher {folder}: {error}"
                raise RecipeError(msg) from error
            stack.callback(engine.close)
            taggers.append(Tagger.of(bundle, engine))
        yield taggers
