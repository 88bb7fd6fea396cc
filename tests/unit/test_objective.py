"""The losses compared with their papers' formulas; class balancing and layer-wise learning rates."""

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("peft", reason="peft is not installed (extra train)")

from torch import nn
from transformers import BertConfig, BertModel

from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.trainer.fitting.loss import tag_loss, tag_weights
from hangtag.trainer.fitting.model import TagModel
from hangtag.trainer.fitting.optimizer import make_optimizer
from hangtag.trainer.recipe.fitting import Objective
from hangtag.trainer.recipe.recipe import Recipe

ONE = TagSchema(facets=(Facet(name="color", kind=FacetKind.SINGLE, values=("a", "b", "c")),))
MANY = TagSchema(facets=(Facet(name="genre", kind=FacetKind.MULTI, values=("a", "b")),))
LOGITS = torch.tensor([[2.0, 0.5, -1.0]])


def loss_of(schema, logits, target, **objective) -> float:
    known = torch.ones_like(target)
    return float(tag_loss(logits, target, known, schema, 0.0, Objective(**objective)))


def test_focal_loss_of_a_single_facet():
    p = torch.softmax(LOGITS, 1)[0, 1].item()

    found = loss_of(ONE, LOGITS, torch.tensor([[0.0, 1.0, 0.0]]), single="focal", focus=3)

    assert found == pytest.approx(-((1 - p) ** 3) * math.log(p), rel=1e-5)


def test_focal_and_asymmetric_loss_of_a_multi_facet():
    logits, target = torch.tensor([[1.0, 0.3]]), torch.tensor([[1.0, 0.0]])
    p, q = (1 / (1 + math.exp(-each)) for each in (1.0, 0.3))

    focal = loss_of(MANY, logits, target, multi="focal", focus=2)
    asymmetric = loss_of(MANY, logits, target, multi="asymmetric", focus=4, margin=0.1)

    assert focal == pytest.approx(-((1 - p) ** 2) * math.log(p) - q**2 * math.log(1 - q), rel=1e-5)
    shifted = q - 0.1
    assert asymmetric == pytest.approx(-math.log(p) - shifted**4 * math.log(1 - shifted), rel=1e-5)


def test_focal_loss_with_focus_0_is_cross_entropy():
    target = torch.tensor([[0.0, 1.0, 0.0]])

    assert loss_of(ONE, LOGITS, target, single="focal", focus=0) == pytest.approx(loss_of(ONE, LOGITS, target))


@pytest.mark.parametrize(
    "objective",
    [
        {"multi": "asymmetric", "margin": 0.0},
        {"multi": "asymmetric", "focus": 0.5},
        {"multi": "focal", "focus": 0.5},
        {"single": "focal", "focus": 0.5},
    ],
)
def test_loss_and_gradient_are_finite_for_extreme_logits(objective):
    schema = ONE if "single" in objective else MANY
    for score in (60.0, -60.0):
        logits = torch.tensor([[score, -score, 0.0][: len(schema.tags)]], requires_grad=True)
        target = torch.zeros_like(logits)
        target[0, 0] = 1

        loss = tag_loss(logits, target, torch.ones_like(target), schema, 0.0, Objective(**objective))
        loss.backward()

        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("balance", ["inverse_root", "effective"])
def test_rare_tags_have_larger_weights_and_the_mean_over_labels_is_1(balance):
    counts = torch.tensor([900.0, 90.0, 9.0])

    weights = tag_weights(counts, ONE, balance)

    assert weights[0] < weights[1] < weights[2]
    assert float((counts * weights).sum() / counts.sum()) == pytest.approx(1)
    assert tag_weights(counts, ONE, "none") is None


def test_effective_weights_have_the_ratio_in_the_paper():
    weights = tag_weights(torch.tensor([1000.0, 10.0, 10.0]), ONE, "effective")

    assert float(weights[1] / weights[0]) == pytest.approx((1 - 0.999**1000) / (1 - 0.999**10), rel=1e-5)


def test_weights_scale_the_loss_of_a_tags_products():
    target = torch.tensor([[0.0, 1.0, 0.0]])
    weights = torch.tensor([1.0, 3.0, 1.0])

    plain = tag_loss(LOGITS, target, torch.ones_like(target), ONE, 0.0)
    weighted = tag_loss(LOGITS, target, torch.ones_like(target), ONE, 0.0, Objective(), weights)

    assert float(weighted) == pytest.approx(3 * float(plain))


def test_lower_layers_have_lower_learning_rates():
    config = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=3, num_attention_heads=1, intermediate_size=8)
    model = TagModel(BertModel(config, add_pooling_layer=False), 2, 0.0)
    recipe = Recipe(sources=({"train": ("x",)},), layer_decay=0.5, learning_rate=1.0, head_learning_rate=7.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    rates = {
        names[id(parameter)]: group["lr"]
        for group in make_optimizer(model, recipe).param_groups
        for parameter in group["params"]
    }

    assert len(rates) == len(names)
    assert isinstance(model.head, nn.Linear)
    assert rates["head.weight"] == 7
    assert rates["encoder.encoder.layer.2.output.dense.weight"] == 1
    assert rates["encoder.encoder.layer.0.output.dense.bias"] == 0.25
    assert rates["encoder.embeddings.word_embeddings.weight"] == 0.125
