"""Reading a text: what a model gets of it, and what it says beside that."""

from hangtag.tags.naming import naming_of
from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.thresholds import KeyedThresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer
from hangtag.text.understood import NoTags, Understood
from hangtag.text.wide import Wide
from hangtag.words.brands import BRANDS
from hangtag.words.fitting import fitted_words
from hangtag.words.language import LanguageDetector
from hangtag.words.negation import split_negated
from hangtag.words.recipients import group_members, rewrite_recipients
from hangtag.words.spans import find_spans
from hangtag.words.spelling import Speller, corrected
from hangtag.words.tag_names import tag_names
from hangtag.words.topic import content_words, is_about_the_shop, is_gibberish, words_of
from hangtag.words.vocabulary import Vocabulary

_ENGLISH = "en"


class Reader:
    """Reads texts with the words of one bundle. Immutable: threads may share it.

    Of products only the language is found out. The rules for queries are English; they apply where English is among the
    languages of the bundle, or where the bundle does not name its languages. What is read depends on the text, its kind
    and the bundle alone.
    """

    def __init__(
        self, schema: TagSchema, thresholds: KeyedThresholds, tokenizer: ProductTokenizer, wide: Wide | None
    ) -> None:
        self._schema = schema
        words = thresholds.entry(TextKind.QUERY).words
        self.names = tag_names(schema, words)
        self._attributes = naming_of(schema, words)
        # A genre says what the thing is; a color does not.
        attributes = thresholds.entry(TextKind.QUERY).attributes
        self._single_attributes = [
            facet.name for facet in schema.facets if facet.kind is FacetKind.SINGLE and facet.name in attributes
        ]
        vocabulary = Vocabulary(tokenizer, wide, self.names.words)
        self._vocabulary = vocabulary
        self._speller = Speller(vocabulary, float(wide.idf.max(initial=0)) if wide is not None else 0.0)
        self._detectors = {
            kind: LanguageDetector(thresholds.entry(kind).languages, vocabulary.knows) for kind in TextKind
        }
        languages = thresholds.entry(TextKind.QUERY).languages
        self._is_english = not languages or _ENGLISH in languages

    def read(self, text: ProductText, kind: TextKind) -> Understood:
        """What a text of this kind says."""
        complete = f"{text.first} {text.second}" if text.second else text.first
        language = self._detectors[kind].unknown_language(complete)
        if kind is TextKind.PRODUCT:
            return Understood(text, language=language)
        if language and not all(map(is_gibberish, words_of(complete))):
            return Understood(text, refusal=NoTags.LANGUAGE_NOT_SUPPORTED, language=language)
        # A query has one segment; a text with a description that is sent as a query is read as it is.
        if text.second or not self._is_english:
            return Understood(text)
        return self._query(text.first)

    def _query(self, written: str) -> Understood:
        # The apostrophe that phones type.
        written = written.replace("\u2019", "'")
        corrections = self._speller.corrections(written)
        spelled = corrected(written, corrections)
        spanned = find_spans(spelled)
        wanted, negated = split_negated(spanned.without_prices, self._mentioned)
        rewritten = rewrite_recipients(wanted, self._names_a_tag)
        excluded = frozenset[str]().union(*map(self._mentioned, negated))
        written_for = {meant: word for word, meant in corrections.items()} | rewritten.written
        return Understood(
            ProductText(rewritten.text or written),
            excluded=tuple(tag for tag in self._schema.tags if tag in excluded),
            spans=spanned.spans,
            refusal=self._refusal(written, find_spans(rewritten.text).without_spans),
            spelling=spelled if corrections else "",
            written=written_for,
            fitted=frozenset(written_for.get(word, word) for word in fitted_words(rewritten.text)),
        )

    def _refusal(self, written: str, wanted: str) -> NoTags | None:
        """Why a query gets no tags; `wanted` is what is left of it without negated parts and spans."""
        if is_about_the_shop(written):
            return NoTags.OFF_TOPIC
        words = content_words(self._without_attributes(wanted))
        if BRANDS.issuperset(words):
            return NoTags.TOO_SHORT
        is_noise = all(map(is_gibberish, words)) and not any(self._vocabulary.knows(words))
        return NoTags.OFF_TOPIC if is_noise else None

    def _mentioned(self, part: str) -> frozenset[str]:
        """The tags that a negated part is about."""
        # A recipient may stand without its `for`: "but not my husband".
        rewritten = rewrite_recipients(f"for {part}", self._names_a_tag).text
        return self.names.mentioned(f"{rewritten}. {group_members(part)}")

    def _without_attributes(self, text: str) -> str:
        for facet in self._single_attributes:
            text = self._attributes.without(text, facet)
        return text

    def _names_a_tag(self, word: str) -> bool:
        return bool(self._attributes.mentioned(word))
