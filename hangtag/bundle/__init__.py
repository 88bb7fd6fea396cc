"""The bundle: one folder with everything inference needs, named by the hash of its content."""

from hangtag.bundle.bundle import Bundle
from hangtag.bundle.encoder_config import EncoderConfig
from hangtag.bundle.errors import BundleError
from hangtag.bundle.files import STARTER
from hangtag.bundle.load import load_bundle, read_manifest
from hangtag.bundle.manifest import Manifest
from hangtag.bundle.weights import Layer, Linear, Norm, Table, Weights
from hangtag.bundle.write import check_place, copy_bundle, write_bundle

__all__ = [
    "STARTER",
    "Bundle",
    "BundleError",
    "EncoderConfig",
    "Layer",
    "Linear",
    "Manifest",
    "Norm",
    "Table",
    "Weights",
    "check_place",
    "copy_bundle",
    "load_bundle",
    "read_manifest",
    "write_bundle",
]
