"""A bundle as an ONNX model."""

import shutil
import warnings
from pathlib import Path

import torch

from hangtag.bundle import Bundle
from hangtag.bundle.files import TOKENIZER
from hangtag.trainer.exporting.as_network import network_of
from hangtag.trainer.exporting.beside import write_beside
from hangtag.trainer.exporting.card import NO_LICENCE
from hangtag.trainer.files.new_folder import new_folder

MODEL = "model.onnx"


def write_onnx(source: Path, bundle: Bundle, folder: Path, *, licence: str = NO_LICENCE) -> None:
    """Write encoder and head of the bundle in `source` as `model.onnx` to a new `folder`.

    Inputs are `input_ids` and `attention_mask`, int64 (texts, tokens); the output is `logits`, float32 (texts, tags),
    in the order of `tags.json`. Tokenizer, schema and card are beside it. As in the folder for Hugging Face's
    libraries there is no wide part, calibration or threshold.

    Raises:
        NewFolderError: the folder exists and is not empty.
        ImportError: onnx or onnxscript is not installed.
        OSError: a file cannot be written.
    """
    import onnxscript  # noqa: F401, PLC0415 (an extra; without it torch says so after a minute)

    network = network_of(bundle)
    ids = torch.ones((2, 8), dtype=torch.int64)
    texts, tokens = torch.export.Dim("texts", min=1), torch.export.Dim("tokens", min=2)
    shape = {0: texts, 1: tokens}
    with new_folder(folder) as part, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about names of axes
        torch.onnx.export(
            network,
            (ids, torch.ones_like(ids)),
            part / MODEL,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": shape, "attention_mask": shape},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        shutil.copyfile(source / TOKENIZER, part / TOKENIZER)
        write_beside(part, source, bundle, licence)
