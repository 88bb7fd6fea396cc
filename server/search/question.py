"""The question about a facet in plain words."""

from hangtag.tags.schema import TagSchema


def question_about(facet: str, language: str, schema: TagSchema) -> str:
    """The question about a facet, in the language if there is a template for it, else in English."""
    return f"Which {schema.label(facet)}?"
