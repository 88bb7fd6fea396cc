"""Changes and queries for tests of the index."""

from hypothesis import strategies as st

from hangtag.index import Query
from hangtag.records import TaggedProduct, encode_tags
from hangtag.store import Entry
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band

TAGS = ("class:boots", "class:shoes", "color:red", "color:navy", "audience:men", "audience:women", "size:a:b")
FACETS = ("class", "color", "audience", "size", "nothing")


def entry(
    product_id: str,
    version: int = 1,
    auto: dict[str, float] | None = None,
    review: dict[str, float] | None = None,
    *,
    sequence: int = 0,
    revision: int = 0,
) -> Entry:
    """The entry of a product with these tags."""
    tags = TagSet(
        tuple(ScoredTag(tag, confidence, Source.MODEL, Band.AUTO) for tag, confidence in (auto or {}).items()),
        tuple(ScoredTag(tag, confidence, Source.RULE, Band.REVIEW) for tag, confidence in (review or {}).items()),
    )
    payload = encode_tags(TaggedProduct(product_id, version, tags, "ab" * 32, 1))
    return Entry(product_id, version, payload, sequence=sequence, revision=revision)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """A version of one of a few products, or its deletion."""
    product_id = draw(st.sampled_from(["a", "b", "ünï", "d" * 200]) | st.integers(0, 30).map(str))
    version = draw(st.integers(0, 3))
    if draw(st.integers(0, 5)) == 0:
        return Entry.deletion(product_id, version)
    confidences = st.sampled_from([1.0, 0.9996, 0.999, 0.95, 0.949, 0.8, 0.5, 0.2, 0.0])
    tags = draw(st.dictionaries(st.sampled_from(TAGS), st.tuples(confidences, st.booleans()), max_size=len(TAGS)))
    return entry(
        product_id,
        version,
        {tag: confidence for tag, (confidence, is_auto) in tags.items() if is_auto},
        {tag: confidence for tag, (confidence, is_auto) in tags.items() if not is_auto},
        sequence=draw(st.integers(0, 2)),
        revision=draw(st.integers(0, 1)),
    )


def queries() -> st.SearchStrategy[Query]:
    """Any query, also of a tag that no product has."""
    tags = st.sampled_from([*TAGS, "color:unheard"])
    return st.builds(
        Query,
        all_of=st.lists(tags, max_size=2, unique=True).map(tuple),
        any_of=st.lists(st.lists(tags, min_size=1, max_size=3, unique=True).map(tuple), max_size=2).map(tuple),
        none_of=st.lists(tags, max_size=1).map(tuple),
        min_band=st.sampled_from([Band.AUTO, Band.AUTO, Band.REVIEW]),
    )
