"""The bundle: one folder with everything inference needs.

`manifest.json` lists the folder's other files as sections, each with its sha256 and whether it is required. Every
bundle has the required sections schema, tokenizer, thresholds, calibration and model, and may have the required section
scope. A reader

- refuses a required section that it does not support, and says to upgrade hangtag;
- ignores an optional section that it does not support, but still checks its size and hash: a file that the manifest
  lists must be there, since a file that is missing or changed means that the copy is damaged;
- refuses a file that the manifest does not list.

So only required sections may determine answers, and what does not can be added as an optional section without a new
format. The version is the hash of what determines the answers and of nothing else (`version_of`): runs that end with
equal weights and decisions give the same version. The manifest's other fields are covered by its `integrity`.
"""

from hangtag.bundle.basis import bases_of, reading_of
from hangtag.bundle.bundle import Bundle
from hangtag.bundle.describe import describe_bundle
from hangtag.bundle.encoder_config import EncoderConfig
from hangtag.bundle.errors import BundleError
from hangtag.bundle.files import STARTER
from hangtag.bundle.load import load_bundle, read_manifest, read_schema
from hangtag.bundle.manifest import Manifest, Section
from hangtag.bundle.place import check_place
from hangtag.bundle.redecide import redecide_bundle
from hangtag.bundle.references import References, ReferenceText, add_references, read_references
from hangtag.bundle.scope import Scope
from hangtag.bundle.upgrade import upgrade_bundle
from hangtag.bundle.version import version_of
from hangtag.bundle.weights import Layer, Linear, Norm, Table, Weights
from hangtag.bundle.write import copy_bundle, write_bundle

__all__ = [
    "STARTER",
    "Bundle",
    "BundleError",
    "EncoderConfig",
    "Layer",
    "Linear",
    "Manifest",
    "Norm",
    "ReferenceText",
    "References",
    "Scope",
    "Section",
    "Table",
    "Weights",
    "add_references",
    "bases_of",
    "check_place",
    "copy_bundle",
    "describe_bundle",
    "load_bundle",
    "read_manifest",
    "read_references",
    "read_schema",
    "reading_of",
    "redecide_bundle",
    "upgrade_bundle",
    "version_of",
    "write_bundle",
]
