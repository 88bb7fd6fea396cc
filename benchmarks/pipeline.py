"""What Hangtag is compared with: the `pipeline` of transformers, in float32, with a network of the bundle's size."""

from collections.abc import Callable, Sequence

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, pipeline

from hangtag.bundle import Bundle
from hangtag.text.product_text import ProductText

# Matrix products of one measurement.
_PRODUCTS = 40


def reference(bundle: Bundle) -> Callable[[Sequence[ProductText], int], None]:
    """A function that tags texts in batches of a size. The weights are random: they are as fast as trained ones."""
    encoder = bundle.manifest.encoder
    config = BertConfig(
        vocab_size=encoder.vocab,
        hidden_size=encoder.hidden,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads,
        intermediate_size=encoder.intermediate,
        max_position_embeddings=encoder.positions,
        type_vocab_size=encoder.segments,
        num_labels=len(bundle.schema.tags),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(bundle.tokenizer.to_json()),
        pad_token="[PAD]",
        model_max_length=encoder.max_tokens,
    )
    network = BertForSequenceClassification(config).eval()
    tags = pipeline("text-classification", model=network, tokenizer=tokenizer, device="cpu")

    def run(texts: Sequence[ProductText], batch_size: int) -> None:
        lines = [f"{text.first} {text.second}" for text in texts]
        with torch.inference_mode():
            tags(lines, batch_size=batch_size, truncation=True, function_to_apply="none")

    return run


def int8_operations() -> Callable[[], float]:
    """A function that multiplies int8 matrices of the encoder's shape; it returns the number of operations."""
    left = torch.randint(-127, 127, (2048, 384), dtype=torch.int8)
    right = torch.randint(-127, 127, (384, 1536), dtype=torch.int8)

    def run() -> float:
        for _ in range(_PRODUCTS):
            torch._int_mm(left, right)  # noqa: SLF001 (torch has no other int8 product on the CPU)
        return 2.0 * left.shape[0] * left.shape[1] * right.shape[1] * _PRODUCTS

    return run
