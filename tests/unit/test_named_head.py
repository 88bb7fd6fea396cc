"""A head that starts from the names of the tags."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")

from transformers import BertConfig, BertModel

from hangtag.text.product_text import ProductText
from hangtag.text.tokens import pad
from hangtag.trainer.fitting.model import TagModel
from hangtag.trainer.fitting.named_head import start_from_names
from tests.bundles import tiny_encoder, tiny_schema, tiny_tokenizer

SCHEMA, TOKENIZER, SHAPE = tiny_schema(), tiny_tokenizer(), tiny_encoder()


def test_a_row_points_to_the_names_of_its_tag_and_other_rows_stay():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=SHAPE.vocab,
        hidden_size=SHAPE.hidden,
        num_hidden_layers=SHAPE.layers,
        num_attention_heads=SHAPE.heads,
        intermediate_size=SHAPE.intermediate,
        max_position_embeddings=SHAPE.positions,
    )
    model = TagModel(BertModel(config, add_pooling_layer=False), len(SCHEMA.tags), 0.1, scope=True)
    before = model.head.weight.detach().clone()
    names = {"class:dresses": ("dress",), "color:red": ("red", "the red of the cat")}

    start_from_names(model, names, SCHEMA, TOKENIZER, 2.0)

    after, changed = model.head.weight.detach(), [SCHEMA.index[tag] for tag in names]
    others = [row for row in range(len(after)) if row not in changed]
    assert torch.equal(after[others], before[others])
    torch.testing.assert_close(after[changed].norm(dim=1), torch.full((2,), 2.0))
    model.eval()
    with torch.inference_mode():
        arrays = pad(TOKENIZER([ProductText.of("dress")]))
        vector = model.pooled(*(torch.from_numpy(array).long() for array in arrays))[0]
    assert torch.nn.functional.cosine_similarity(after[changed[0]], vector, dim=0) > 0.999
    assert model.head.weight.requires_grad
