"""The bundle made by a finished run."""

from pathlib import Path
from typing import Any

from hangtag.bundle import Bundle, BundleError, load_bundle
from hangtag.trainer.recipe.recipe import RecipeError


def made_bundle(run: Path, outcome: dict[str, Any]) -> tuple[Path, Bundle]:
    """Find and load the bundle with the version in the run's outcome; returns its folder and the bundle.

    It is looked for at the path in the outcome, where another run may have replaced it, and in the run's folder, which
    may have been copied from elsewhere.

    Raises:
        RecipeError: neither place has that version.
    """
    places = (Path(outcome["bundle"]), run / "bundle")
    for place in places:
        try:
            bundle = load_bundle(place)
        except BundleError:
            continue
        if bundle.version == outcome["version"]:
            return place, bundle
    msg = (
        f"the bundle made by {run} (version {outcome['version'][:12]}) is neither in {places[0]} nor in {places[1]}: "
        "run the same `hangtag train` again, which only makes the bundle again"
    )
    raise RecipeError(msg)
