"""Parts of the trainer: loss, schema, weak labels, calibration, thresholds, scores."""

import json
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.tags.schema import FacetKind
from hangtag.trainer.data.examples import batches, examples_of
from hangtag.trainer.data.labelled import LabelledFileError, LabelledProduct, read_labelled
from hangtag.trainer.data.schema_of import schema_of
from hangtag.trainer.data.weak_labels import weakly_labelled
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.fitting.loss import tag_loss
from hangtag.trainer.fitting.scores import check_validation, facet_scores
from hangtag.trainer.judging.calibration import fit_calibration
from hangtag.trainer.judging.decide import decide
from hangtag.trainer.recipe.recipe import Recipe, RecipeError, Source
from tests.bundles import tiny_schema, tiny_tokenizer

SCHEMA = tiny_schema()


def product(*tags: str, facets: tuple[str, ...] = (), title: str = "red dress") -> LabelledProduct:
    named = {tag.split(":")[0] for tag in tags} | set(facets)
    return LabelledProduct("p", title, "", "", frozenset(named), frozenset(tags))


def test_only_labelled_facets_have_a_gradient():
    """The loss does not depend on facets that a product is not labelled for."""
    (example,) = examples_of([product("segment:pets", facets=("genre",))], SCHEMA, tiny_tokenizer())
    logits = torch.randn(1, len(SCHEMA.tags), requires_grad=True)

    tag_loss(logits, torch.tensor(example.targets)[None], torch.tensor(example.known)[None], SCHEMA, 0.05).backward()
    touched = {facet: bool(logits.grad[:, where].any()) for facet, where in SCHEMA.slices.items()}

    assert touched == {"segment": True, "class": False, "color": False, "genre": True}


def test_loss_is_cross_entropy_and_bce():
    (example,) = examples_of([product("segment:games", "genre:rpg", "genre:indie")], SCHEMA, tiny_tokenizer())
    logits = torch.randn(1, len(SCHEMA.tags))
    segment, genre = logits[:, SCHEMA.slices["segment"]], logits[:, SCHEMA.slices["genre"]]

    loss = tag_loss(logits, torch.tensor(example.targets)[None], torch.tensor(example.known)[None], SCHEMA, 0.1)
    expected = torch.nn.functional.cross_entropy(segment, torch.tensor([1]), label_smoothing=0.1)
    expected += torch.nn.functional.binary_cross_entropy_with_logits(
        genre, torch.tensor([[0.0, 1.0, 1.0]]), reduction="sum"
    )

    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_single_facet_without_a_tag_has_a_uniform_target():
    """If no tag fits, the loss is lowest if all tags of the facet are equally likely."""
    (example,) = examples_of([product(facets=("color",))], SCHEMA, tiny_tokenizer())
    labels = torch.tensor(example.targets)[None], torch.tensor(example.known)[None]
    even = torch.zeros(1, len(SCHEMA.tags))
    confident = even.clone()
    confident[0, SCHEMA.slices["color"].start] = 5

    assert tag_loss(even, *labels, SCHEMA, 0.05) < tag_loss(confident, *labels, SCHEMA, 0.05)


def test_batches_have_every_index_once_and_similar_lengths():
    lengths = [random.Random(0).randint(3, 128) for _ in range(1_000)]

    found = batches(lengths, 32, random.Random(1))
    padded = sum(max(lengths[at] for at in batch) * len(batch) for batch in found)

    assert sorted(at for batch in found for at in batch) == list(range(1_000))
    assert padded / sum(lengths) < 1.1


def test_kinds_and_parents_are_inferred_from_the_data():
    products = [
        product("segment:pets", "class:cat food"),
        product("segment:games", "class:software", "genre:rpg", "genre:indie"),
    ]
    inferred = schema_of(Recipe(sources=(Source(train=("x",)),)), products)

    assert {facet.name: facet.kind for facet in inferred.facets} == {
        "class": FacetKind.SINGLE,
        "segment": FacetKind.SINGLE,
        "genre": FacetKind.MULTI,
    }

    facets = {
        "segment": {"kind": "single"},
        "class": {"kind": "single", "parent": "segment"},
        "genre": {"kind": "multi"},
    }
    given = schema_of(Recipe.model_validate({"sources": [{"train": ["x"]}], "facets": facets}), products)

    assert given.parents == {"class:cat food": ("segment:pets",), "class:software": ("segment:games",)}


def test_a_facet_with_one_tag_is_multi():
    """A softmax over a single tag would always predict it."""
    products = [product("sale:yes", "color:red"), product("color:blue", facets=("sale",))]

    kinds = {facet.name: facet.kind for facet in schema_of(Recipe(sources=(Source(train=("x",)),)), products).facets}

    assert kinds == {"color": FacetKind.SINGLE, "sale": FacetKind.MULTI}
    facets = {"sale": {"kind": "single"}, "color": {"kind": "single"}}
    with pytest.raises(RecipeError, match="'sale' has only one tag"):
        schema_of(Recipe.model_validate({"sources": [{"train": ["x"]}], "facets": facets}), products)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"blocked": ["color:pink"]}, "color:pink"),
        ({"facets": {"color": {"kind": "single", "applies_when": ["size:big"]}}}, "applies_when: 'size:big'"),
        ({"facets": {"color": {"kind": "single", "parent": "family"}}}, "parent 'family'"),
    ],
)
def test_a_recipe_that_makes_an_invalid_schema_is_refused(settings, reason):
    recipe = Recipe.model_validate({"sources": [{"train": ["x"]}], **settings})

    with pytest.raises(RecipeError, match=reason):
        schema_of(recipe, [product("color:red"), product("color:blue")])


def test_products_without_any_tag_are_refused():
    with pytest.raises(RecipeError, match="no training product has a tag"):
        schema_of(Recipe(sources=(Source(train=("x",)),)), [product(facets=("color",))])


def test_tags_are_inferred_from_titles_and_labels_stay():
    source = Source.model_validate(
        {
            "train": ["x"],
            "assume": ["genre:rpg"],
            "named_by": [
                {"tags": ["segment:clothing"], "words": ["dress", "t-shirt"]},
                {"tags": ["segment:pets"], "words": ["cat"]},
            ],
        }
    )
    products = [
        product(title="Cat print T-shirt, blue"),
        product(title="T-shirt for your cat"),
        product("segment:games", title="Dress up"),
        product(title="Category"),
    ]

    tags = [set(each.tags) for each in weakly_labelled(products, source)]

    assert tags == [
        {"segment:clothing", "genre:rpg"},
        {"segment:pets", "genre:rpg"},
        {"segment:games", "genre:rpg"},
        {"genre:rpg"},
    ]


def test_a_title_that_contradicts_a_label_adds_no_tags():
    named = {"tags": ["segment:clothing", "class:dress"], "words": ["dress"]}
    source = Source.model_validate({"train": ["x"], "assume": ["genre:rpg"], "named_by": [named]})
    products = [
        product("segment:pets", title="Coat for a dress"),
        product("segment:clothing", title="Red dress"),
        product("color:red", title="Red dress"),
    ]

    tags = [set(each.tags) for each in weakly_labelled(products, source)]

    assert tags == [
        {"segment:pets", "genre:rpg"},
        {"segment:clothing", "class:dress", "genre:rpg"},
        {"color:red", "segment:clothing", "class:dress", "genre:rpg"},
    ]


def test_recipe_and_data_must_have_the_same_facets():
    recipe = Recipe.model_validate({"sources": [{"train": ["x"]}], "facets": {"colour": {"kind": "single"}}})

    with pytest.raises(RecipeError, match="colou?r"):
        schema_of(recipe, [product("color:red")])


def test_an_unknown_setting_of_a_recipe_is_reported(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text('epoch = 3\n[[sources]]\ntrain = ["a"]\n')

    with pytest.raises(RecipeError, match="there is no setting 'epoch'; did you mean 'epochs'") as raised:
        Recipe.from_file(file)
    assert "pydantic" not in str(raised.value)


@pytest.mark.parametrize("content", [b"name = ", b"# \xff"])
def test_a_recipe_that_is_not_toml_is_reported(tmp_path, content):
    file = tmp_path / "recipe.toml"
    file.write_bytes(content)

    with pytest.raises(RecipeError, match=r"recipe\.toml: not valid TOML"):
        Recipe.from_file(file)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(tmp_path, seed):
    file = tmp_path / "recipe.toml"
    file.write_text(f'seed = {seed}\n[[sources]]\ntrain = ["a"]\n')

    with pytest.raises(RecipeError, match="seed"):
        Recipe.from_file(file)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"product_id": "1"}', "facets, tags is missing"),
        ('{"product_id": "1", "facets": ["color"], "tags": ["size:big"]}', "size:big"),
    ],
)
def test_a_bad_line_is_reported(tmp_path, line, reason):
    file = tmp_path / "shop.jsonl"
    file.write_text(json.dumps({"product_id": "1", "facets": [], "tags": []}) + "\n" + line + "\n")

    with pytest.raises(LabelledFileError, match=f"(?s)shop.jsonl, line 2.*{reason}"):
        read_labelled([file])


def overconfident(count: int, wrong: float) -> tuple[np.ndarray, list]:
    """Logits with a high confidence in `segment` that are wrong for a share `wrong` of the products."""
    rng = random.Random(0)
    logits = np.zeros((count, len(SCHEMA.tags)), np.float32)
    products = []
    for row in range(count):
        guess, truth = rng.choice(SCHEMA.facets[0].tags), None
        truth = guess if rng.random() > wrong else next(tag for tag in SCHEMA.facets[0].tags if tag != guess)
        logits[row, SCHEMA.index[guess]] = 9 if truth == guess else 8
        products.append(product(truth))
    return logits, examples_of(products, SCHEMA, tiny_tokenizer())


def test_the_temperature_lowers_overconfident_scores():
    logits, examples = overconfident(600, wrong=0.2)

    assert fit_calibration(logits, examples, SCHEMA).temperatures["segment"] > 2


def test_the_auto_threshold_separates_right_from_wrong():
    logits, examples = overconfident(600, wrong=0.2)
    recipe = Recipe(sources=(Source(train=("x",)),), auto_precision=0.95)
    calibration = fit_calibration(logits, examples, SCHEMA)

    cuts = decide(logits, examples, SCHEMA, calibration, recipe).thresholds.tags
    confidence = 1 / (1 + 2 * np.exp(-np.array([9, 8]) / calibration.temperatures["segment"]))

    assert all(confidence[1] < cuts[tag].auto <= confidence[0] + 1e-4 for tag in SCHEMA.facets[0].tags)
    assert all(cut.review <= cut.auto for cut in cuts.values())


def test_facets_with_one_tag_or_without_labels_have_figures():
    from hangtag.tags.schema import Facet
    from hangtag.tags.tagset import TagSet
    from hangtag.trainer.judging.evaluate import facet_score

    facet = Facet(name="item", kind=FacetKind.MULTI, values=("watch",))
    nothing = TagSet((), ())
    score = facet_score(
        facet, [{"item:watch"}, set(), {"item:watch"}], [{"item:watch"}, {"item:watch"}, set()], [nothing] * 3
    )
    none = facet_score(facet, [set()], [set()], [nothing])

    assert score.weighted_f1 == score.macro_f1 == score.micro_f1 == score.tags["item:watch"].f1 == 0.5
    assert score.tags["item:watch"].support == 2
    assert (none.macro_f1, none.tags["item:watch"].support) == (0, 0)


def test_the_score_of_a_facet_with_one_tag_is_the_f1_of_that_tag():
    """Never predicting the tag is right for most products, but has an F1 of 0."""
    schema = schema_of(Recipe(sources=(Source(train=("x",)),)), [product("gift:yes")])
    products = [product("gift:yes"), product("gift:yes"), *[product(facets=("gift",))] * 8]
    examples = examples_of(products, schema, tiny_tokenizer())
    predicted = {name: np.full((10, 1), -3, np.float32) for name in ("nothing", "half")}
    predicted["half"][[0, 9]] = 3

    assert {name: facet_scores(logits, examples, schema)["gift"] for name, logits in predicted.items()} == {
        "nothing": 0,
        "half": 0.5,
    }


def test_the_score_of_a_multi_facet_is_micro_f1():
    examples = examples_of([product("genre:rpg", "genre:indie"), product(facets=("genre",))], SCHEMA, tiny_tokenizer())
    logits = np.full((2, len(SCHEMA.tags)), -3, np.float32)
    logits[:, SCHEMA.index["genre:rpg"]] = 3

    assert facet_scores(logits, examples, SCHEMA) == {"genre": 0.5}


@pytest.mark.parametrize(
    "labels",
    [product("color:mauve"), product(facets=("color", "genre")), product("color:red", "color:navy")],
    ids=["a value that is not in the training data", "no tag fits", "several tags of a single facet"],
)
def test_validation_products_without_a_known_tag_are_refused(labels):
    with pytest.raises(RecipeError, match=f"Validate on products with tags such as {SCHEMA.tags[0]}"):
        check_validation(examples_of([labels] * 3, SCHEMA, tiny_tokenizer()), SCHEMA)

    check_validation(examples_of([labels, product("color:red")], SCHEMA, tiny_tokenizer()), SCHEMA)


def test_a_run_with_a_recipe_of_another_version_says_what_does_not_fit(tmp_path):
    (tmp_path / "recipe.json").write_text('{"base_model": "starter", "learning_rat": 1, "sources": []}')

    with pytest.raises(
        RecipeError, match="does not fit this version of Hangtag: .*did you mean 'learning_rate'"
    ) as error:
        RunFolder(tmp_path).recipe()

    assert "\n" not in str(error.value)
    assert str(error.value).endswith("correct the file, or train with another --run")
