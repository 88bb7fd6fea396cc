"""Versions of the bundles in teachers' folders, which can change after a run has started."""

from pathlib import Path

from hangtag.bundle import STARTER, BundleError, read_manifest
from hangtag.trainer.recipe.teaching import Distillation, PseudoLabels


def versions_of(*settings: Distillation | PseudoLabels | None) -> dict[str, str]:
    """The version of the bundle in each teacher's folder.

    Bundles that cannot be read are left out; loading them as teachers raises the error.
    """
    versions = {}
    for folder in (teacher for each in settings if each is not None for teacher in each.teachers):
        try:
            versions[folder] = read_manifest(STARTER if folder == "starter" else Path(folder)).version
        except BundleError:
            continue
    return versions
