r"""Reading a filter.

    filter = [term {["AND"] term}]
    term   = ["NOT" | "-"] (facet ":" value | facet ":" "[" value {or value} "]" | "[" tag {or tag} "]")
    tag    = facet ":" value
    or     = "," | "OR"

A value with a space or one of `[ ] , : " \` in it is written in quotes, or with a backslash before such a character. A
colon inside a value needs neither.
"""

from hangtag.filters.errors import fail, shortened
from hangtag.filters.tokens import Token, tokens_of
from hangtag.filters.words import Vocabulary
from hangtag.v1 import tags_pb2

MAX_CHARS = 4_096
MAX_TAGS = 256
AND, OR, NOT = "AND", "OR", "NOT"
MINUS = "-"
KEYWORDS = frozenset({AND, OR, NOT})


def parse_filter(text: str, vocabulary: Vocabulary | None = None) -> tags_pb2.TagQuery:
    """The query of a filter; an empty filter means all products. Without a vocabulary names are not checked.

    Raises:
        FilterError: it cannot be read, it names a facet or a value that there is not, or it is too long.
    """
    if len(text) > MAX_CHARS:
        fail(f"the filter has {len(text)} characters, the maximum is {MAX_CHARS}; shorten it", MAX_CHARS)
    return _Parser(text, vocabulary).query()


class _Parser:
    def __init__(self, text: str, vocabulary: Vocabulary | None) -> None:
        self._tokens = list(tokens_of(text))
        self._next = 0
        self._vocabulary = vocabulary
        self._count = 0

    def query(self) -> tags_pb2.TagQuery:
        query = tags_pb2.TagQuery()
        while self._token.kind != "end":
            if self._is(AND):
                if not self._next:
                    fail("AND stands between two terms; leave it out here", self._token.at)
                self._take()
                if self._token.kind == "end" or self._is(AND):
                    fail("AND has no term behind it; write one, for example color:red", self._token.at)
            self._term(query)
        return query

    def _term(self, query: tags_pb2.TagQuery) -> None:
        is_wanted = True
        if self._is(NOT):
            self._take()
            is_wanted = False
        elif self._token.text.startswith(MINUS) and not self._token.is_quoted:
            is_wanted = False
            self._drop_minus()
        if self._token.kind == "[":
            tags, is_group = self._group(None), True
        else:
            facet = self._facet()
            is_group = self._token.kind == "["
            tags = self._group(facet) if is_group else [self._value(facet)]
        if not is_wanted:
            query.none_of.extend(tags)
        elif is_group:
            query.any_of.add(tags=tags)
        else:
            query.all_of.extend(tags)

    def _group(self, facet: str | None) -> list[tags_pb2.TagName]:
        opened = self._take()
        tags: list[tags_pb2.TagName] = []
        while True:
            if self._token.kind == "]" and not tags:
                fail("these brackets are empty; write values in them, for example class:[boots,shoes]", opened.at)
            tags.append(self._value(facet if facet is not None else self._facet()))
            if self._token.kind == "]":
                self._take()
                return tags
            if self._token.kind == "end":
                fail("this bracket is not closed; write ] behind the last value", opened.at)
            if self._token.kind != "," and not self._is(OR):
                fail(
                    'write a comma between values, and quotes around one with spaces: class:["full body wear",shirts]',
                    self._token.at,
                )
            self._take()

    def _facet(self) -> str:
        token = self._token
        if token.kind == "word" and not token.is_quoted and token.text in KEYWORDS:
            hint = ": alternatives stand in brackets, for example class:[boots,shoes]" if token.text == OR else ""
            fail(f"{token.text} cannot stand here{hint}", token.at)
        if token.kind != "word" or not token.text or (token.text.startswith(MINUS) and not token.is_quoted):
            fail(_NO_FACET, token.at)
        self._take()
        if self._token.kind != ":":
            fail(_no_colon(token), token.at)
        if self._vocabulary is not None:
            self._vocabulary.check_facet(token.text, token.at)
        self._take()
        return token.text

    def _value(self, facet: str) -> tags_pb2.TagName:
        token = self._token
        if token.kind != "word" or not token.text:
            fail(f"{shortened(facet)} has no value here; write one, as in color:red", token.at)
        self._take()
        value, end = token.text, token.end
        # A colon inside a value: `game:half-life:2`.
        while self._token.kind == ":" and self._token.at == end:
            colon = self._take()
            value, end = f"{value}:", colon.end
            if self._token.kind == "word" and self._token.at == end:
                part = self._take()
                value, end = f"{value}{part.text}", part.end
        if self._vocabulary is not None:
            self._vocabulary.check_value(facet, value, token.at)
        self._count += 1
        if self._count > MAX_TAGS:
            fail(f"the filter has more than {MAX_TAGS} tags; leave some out", token.at)
        return tags_pb2.TagName(facet=facet, value=value)

    def _drop_minus(self) -> None:
        token = self._token
        if len(token.text) > 1:
            self._tokens[self._next] = token._replace(text=token.text[1:], at=token.at + 1)
        else:
            self._take()

    def _is(self, keyword: str) -> bool:
        token = self._token
        return token.kind == "word" and token.text == keyword and not token.is_quoted

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token


_NO_FACET = "a term begins with a facet, for example color:red"


def _no_colon(token: Token) -> str:
    if token.text.upper() in KEYWORDS:
        return f"write {token.text.upper()} in capital letters"
    return 'this word has no facet; write facet:value, and quotes around a value with spaces: class:"full body wear"'
