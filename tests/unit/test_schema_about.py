"""What a schema says about its tags: labels, codes, other words. It never changes what a bundle answers."""

import pytest
from pydantic import ValidationError

from hangtag.bundle import STARTER, load_bundle, read_schema
from hangtag.bundle.version import version_of
from hangtag.tags.about import About
from hangtag.tags.schema import TagSchema
from tests.bundles import tiny_schema

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


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"about": {"class:boots": SHOES}}, "'class:boots' is neither a facet nor a tag"),
        ({"about": {"class": SHOES}}, "about facet class: only a label and a description"),
        ({"sensitive": ("size",)}, "sensitive: 'size' is not a facet"),
        ({"about": {"class:shoes": {"synonyms": [" "]}}}, "synonyms"),
    ],
)
def test_descriptions_of_nothing_are_refused(more: dict[str, object], said: str) -> None:
    with pytest.raises((ValueError, ValidationError), match=said):
        TagSchema(**tiny_schema().model_dump(), **more)
