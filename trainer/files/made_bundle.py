"""The bundle that a finished run made."""

from pathlib import Path
from typing import Any

from hangtag.bundle import Bundle, BundleError, load_bundle
from hangtag.trainer.recipe.recipe import RecipeError


def made_bundle(run: Path, outcome: dict[str, Any]) -> tuple[Path, Bundle]:
    """Where the bundle is whose version the run's outcome names, and the bundle.

    Another run may have written over it since, or the run's folder was copied from elsewhere.

    Raises:
        RecipeError: neither the place in the outcome nor the run's folder has that version.
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
        f"the bundle that {run} made (version {outcome['version'][:12]}) is neither in {places[0]} nor in {places[1]}: "
        "run the same `hangtag train` again, it only makes the bundle anew"
    )
    raise RecipeError(msg)
