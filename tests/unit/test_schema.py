"""A schema that contradicts itself is refused, and the message names the facet, tag or rule."""

import pytest
from pydantic import ValidationError

from hangtag.tags.schema import Facet, FacetKind, Rule, TagSchema
from tests.bundles import tiny_schema

COLOR = Facet(name="color", kind=FacetKind.SINGLE, values=("blue", "red"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"facets": (COLOR, COLOR)}, "color"),
        ({"facets": (Facet(name="color", kind=FacetKind.SINGLE, values=("red", "red")),)}, "color:red"),
        ({"facets": (COLOR,), "blocked": ("color:green",)}, "color:green"),
        ({"facets": (COLOR,), "rules": (Rule(kind="implies", when="color:red", then="size:big"),)}, "size:big"),
        ({"facets": (COLOR,), "parents": {"color:red": ("color:blue",)}}, "color:red"),
        (
            {"facets": (COLOR, Facet(name="shade", kind=FacetKind.SINGLE, values=("dark",), parent="color"))},
            "shade:dark",
        ),
        (
            {
                "facets": (
                    COLOR,
                    Facet(name="shade", kind=FacetKind.SINGLE, values=("dark",), parent="color"),
                    Facet(name="tone", kind=FacetKind.SINGLE, values=("warm",), parent="color"),
                ),
                "parents": {"shade:dark": ("color:blue",), "tone:warm": ("color:red",)},
            },
            "shade and tone",
        ),
        (
            {
                "facets": (
                    Facet(name="shade", kind=FacetKind.SINGLE, values=("dark",), applies_when=("color:red",)),
                    COLOR,
                )
            },
            "shade",
        ),
    ],
)
def test_contradiction_is_named(change, named):
    with pytest.raises(ValidationError, match=named):
        TagSchema(**change)


def test_paths_follow_parents_and_avoid_blocked_tags():
    schema = tiny_schema(blocked=("class:shoes",))
    chain = next(chain for chain in schema.chains if chain[0].name == "segment")

    paths = {tuple(schema.tags[at] for at in path) for path in schema.paths(chain)}

    assert paths == {
        ("segment:clothing", "class:dresses"),
        ("segment:games", "class:software"),
        ("segment:pets", "class:cat food"),
    }


def test_hash_depends_on_the_content():
    again = TagSchema.model_validate_json(tiny_schema().to_json())

    assert again == tiny_schema()
    assert again.content_hash == tiny_schema().content_hash
    assert tiny_schema(blocked=("color:red",)).content_hash != tiny_schema().content_hash
