"""Write what each distribution contains and depends on, as CycloneDX 1.6: `python deploy/sbom.py FOLDER` (`make sbom`).

Dependencies are those of a plain installation, in the versions of deploy/constraints.txt that are installed here, with
the hashes of deploy/hashes.txt.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTIONS = ("hangtag", "hangtag-client")
_ENTRY = re.compile(r"^([\w.-]+)==\S+((?:\s*\\\n\s*--hash=sha256:[0-9a-f]{64})+)", re.MULTILINE)


def sbom_of(name: str) -> Bom:
    """The document of one distribution, which is installed together with what it depends on.

    Raises:
        importlib.metadata.PackageNotFoundError: it is not.
    """
    hashes = _hashes()
    components: dict[str, Component] = {}
    needs: dict[str, set[str]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, frozenset[str]())]
    while waiting:
        current, extras = waiting.pop()
        if (current, extras) in seen:
            continue
        seen.add((current, extras))
        found = distribution(current)
        components[current] = _component(found, hashes.get(current, []))
        dependencies = list(_dependencies(found, extras))
        needs.setdefault(current, set()).update(each for each, _ in dependencies)
        waiting += dependencies
    bom = Bom()
    bom.metadata.component = components[name]
    bom.components.update(component for key, component in components.items() if key != name)
    for key, component in components.items():
        bom.register_dependency(component, [components[each] for each in needs[key]])
    return bom


def _dependencies(found: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """What a distribution with these extras needs on this machine: the names, and the extras that it asks for."""
    for text in found.requires or ():
        needed = Requirement(text)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(needed.name), frozenset(needed.extras)


def _component(found: Distribution, hashes: list[str]) -> Component:
    licence = found.metadata.get("License-Expression") or found.metadata.get("License")
    # Some packages have the complete text there.
    licences = [LicenseFactory().make_from_string(licence)] if licence and len(licence) < 100 else []  # noqa: PLR2004 (characters)
    purl = PackageURL("pypi", None, canonicalize_name(found.name), found.version)
    return Component(
        name=found.name,
        version=found.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        licenses=licences,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in hashes],
    )


def _hashes() -> dict[str, list[str]]:
    text = (ROOT / "deploy" / "hashes.txt").read_text(encoding="utf-8")
    return {canonicalize_name(name): re.findall(r"[0-9a-f]{64}", rest) for name, rest in _ENTRY.findall(text)}


def main(folder: Path) -> None:
    """Write a document for each distribution into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in DISTRIBUTIONS:
        bom, path = sbom_of(name), folder / f"{name}.cdx.json"
        JsonV1Dot6(bom).output_to_file(str(path), allow_overwrite=True, indent=2)
        print(f"{path}: {len(bom.components)} packages")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
