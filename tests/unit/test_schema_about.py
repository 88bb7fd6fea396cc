"""What a schema says about its tags: labels, codes, other words. It never changes what a bundle answers."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from hangtag.bundle import STARTER, BundleError, describe_bundle, load_bundle, read_schema
from hangtag.bundle.version import version_of
from hangtag.cli.app import app
from hangtag.tags.about import About
from hangtag.tags.schema import Facet, FacetKind, Rule, TagSchema
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.schema_of import schema_of
from hangtag.trainer.recipe.recipe import Recipe
from tests.bundles import tiny_schema, write_tiny_bundle

SHOES = About(label="Shoes", description="What is worn on feet", synonyms=("sneakers",), codes={"gs1": "10001070"})


def described(schema: TagSchema) -> TagSchema:
    about = {"class:shoes": SHOES, "class": About(label="Kind of product")}
    return TagSchema(**schema.model_dump(), about=about, sensitive=("color",))


def test_labels_are_apart_from_ids() -> None:
    schema = described(tiny_schema())

    assert [schema.label(name) for name in ("class:shoes", "class:dresses", "class", "color")] == [
        "Shoes",
        "dresses",
        "Kind of product",
        "color",
    ]


def test_a_schema_that_describes_nothing_is_written_as_before() -> None:
    plain, more = tiny_schema(), described(tiny_schema())

    assert "about" not in plain.to_json()
    assert "sensitive" not in plain.to_json()
    assert TagSchema.model_validate_json(more.to_json()) == more
    assert more.content_hash != plain.content_hash
    assert read_schema(STARTER).to_json().encode() == (STARTER / "schema.json").read_bytes()


def test_descriptions_do_not_change_the_version_of_a_bundle() -> None:
    bundle = load_bundle()

    versions = {
        version_of(
            bundle.manifest.encoder,
            schema,
            bundle.thresholds,
            bundle.calibration,
            tokenizer_sha256=bundle.manifest.sections["tokenizer"].sha256,
            model_sha256=bundle.manifest.sections["model"].sha256,
            scope=bundle.scope,
        )
        for schema in (bundle.schema, bundle.schema.model_copy(update={"about": {"color:red": SHOES}}))
    }

    assert versions == {bundle.version}


def test_a_bundle_is_described_without_another_version(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "plain")
    before = load_bundle(tmp_path / "plain")

    manifest = describe_bundle(tmp_path / "plain", tmp_path / "told", {"class:shoes": SHOES.model_dump()}, ["color"])
    again = describe_bundle(tmp_path / "told", tmp_path / "told", {"color": {"label": "Colour"}}, [])

    told = load_bundle(tmp_path / "told")
    assert manifest.version == again.version == told.version == before.version
    assert (told.schema.label("class:shoes"), told.schema.label("color")) == ("Shoes", "Colour")
    assert told.schema.sensitive == ()
    assert read_schema(tmp_path / "told") == told.schema
    with pytest.raises(BundleError, match="'class:boots' is neither a facet nor a tag"):
        describe_bundle(tmp_path / "told", tmp_path / "told", {"class:boots": {}}, [])


def test_the_trainer_passes_on_what_a_recipe_says() -> None:
    recipe = Recipe.model_validate(
        {
            "sources": [{"train": ["x"]}],
            "about": {"color:red": {"label": "Red", "synonyms": ["crimson"]}},
            "words": {"color:red": ["scarlet"], "color:never": ["x"]},
            "sensitive": ["color"],
        }
    )
    products = [
        LabelledProduct(str(at), "a", "", "", frozenset({"color"}), frozenset({tag}))
        for at, tag in enumerate(("color:red", "color:blue"))
    ]

    schema = schema_of(recipe, products)

    assert schema.about == {"color:red": About(label="Red", synonyms=("crimson", "scarlet"))}
    assert schema.sensitive == ("color",)
    assert "about" not in recipe.training()


def test_the_commands_write_and_show_descriptions(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    file = tmp_path / "labels.toml"
    file.write_text('[about."class:shoes"]\nlabel = "Shoes"\nsynonyms = ["sneakers"]\ncodes = { gs1 = "10001070" }\n')
    run = CliRunner().invoke

    written = run(app, ["bundle", "describe", str(tmp_path / "bundle"), str(file)])
    table = run(app, ["schema", "class", "--bundle", str(tmp_path / "bundle")], env={"COLUMNS": "160"})
    as_json = run(app, ["schema", "class", "--bundle", str(tmp_path / "bundle"), "--json"])
    file.write_text("labels = 1")
    wrong = run(app, ["bundle", "describe", str(tmp_path / "bundle"), str(file)]).exception

    assert written.exit_code == 0, written.output
    assert all(part in table.output for part in ("Shoes", "sneakers", "gs1 10001070"))
    (shoes,) = [each for each in json.loads(as_json.stdout)["facets"][0]["values"] if each["value"] == "shoes"]
    assert (shoes["label"], shoes["codes"]) == ("Shoes", {"gs1": "10001070"})
    assert "'labels' is not known" in str(wrong)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"about": {"class:boots": SHOES}}, "'class:boots' is neither a facet nor a tag"),
        ({"about": {"class": SHOES}}, "about facet class: only a label and a description"),
        ({"sensitive": ("size",)}, "sensitive: 'size' is neither a facet nor a tag"),
        ({"about": {"class:shoes": {"synonyms": [" "]}}}, "synonyms"),
    ],
)
def test_descriptions_of_nothing_are_refused(more: dict[str, object], said: str) -> None:
    with pytest.raises((ValueError, ValidationError), match=said):
        TagSchema(**tiny_schema().model_dump(), **more)


def test_what_tells_of_a_sensitive_tag_is_sensitive() -> None:
    schema = TagSchema(
        facets=(
            Facet(name="family", kind=FacetKind.SINGLE, values=("intimacy", "shoes")),
            Facet(name="class", kind=FacetKind.SINGLE, values=("lubricants", "boots"), parent="family"),
            Facet(name="flavor", kind=FacetKind.MULTI, values=("mint",), applies_when=("class:lubricants",)),
            Facet(name="use", kind=FacetKind.MULTI, values=("adult", "hiking")),
        ),
        parents={"class:lubricants": ("family:intimacy",), "class:boots": ("family:shoes",)},
        rules=(
            Rule(kind="implies", when="use:adult", then="family:intimacy"),
            Rule(kind="excludes", when="use:hiking", then="family:intimacy"),
        ),
        sensitive=("family:intimacy",),
    )

    assert schema.sensitive_tags == {"family:intimacy", "class:lubricants", "flavor:mint", "use:adult"}
