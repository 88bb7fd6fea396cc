"""A small BERT and made-up products, for training runs that take seconds."""

import json
import random
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from hangtag.trainer.recipe.recipe import Recipe
from tests.bundles import tiny_encoder, tiny_tokenizer

COLORS = ("red", "blue", "green")
FEATURES = ("space", "cat", "food")


def write_base(folder: Path, **changes) -> Path:
    shape = tiny_encoder()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=shape.positions,
        **changes,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tiny_tokenizer().to_json())
    return folder


def write_data(folder: Path) -> Path:
    rng = random.Random(0)
    for name, count in (("train", 240), ("validation", 60)):
        lines = []
        for number in range(count):
            color, features = rng.choice(COLORS), rng.sample(FEATURES, rng.randint(0, 3))
            product = {
                "product_id": f"{name}-{number}",
                "title": f"{color} {' '.join(features)} game",
                "description": "the best of all" if rng.random() < 0.5 else "",
                "facets": ["color", "theme"] if rng.random() < 0.8 else ["color"],
                "tags": [f"color:{color}"],
            }
            if "theme" in product["facets"]:
                product["tags"] += [f"theme:{feature}" for feature in features]
            lines.append(json.dumps(product))
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    return folder


def recipe(base: Path, **changes) -> Recipe:
    settings = {
        "base_model": str(base),
        "sources": [{"train": ["train.jsonl"], "validation": ["validation.jsonl"]}],
        "max_tokens": 32,
        "epochs": 10,
        "patience": 10,
        "batch_size": 16,
        "learning_rate": 2e-3,
        "head_learning_rate": 1e-2,
        "precision": "fp32",
        **changes,
    }
    return Recipe.model_validate(settings)
