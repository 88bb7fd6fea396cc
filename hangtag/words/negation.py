"""What a query does not want: `not black`, `without a hood`, `but not for women`."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from hangtag.tags.tag import facet_of
from hangtag.words.function_words import word_set

# Words for tags of a text, as `Naming.named` finds them.
Named = Callable[[str], frozenset[str]]

_NEGATED_VERB = (
    r"(?:(?:is|are|was|were|do|does|did|should|must|could|would|has|have|need)(?:n'?t|\s+not)|(?:can|will)\s+not|cannot|"
    r"wo'?nt|won't|can'?t)"
)
_CUE = re.compile(
    r"(?:(?:that|which|who|i|we|he|she|they|it)\s+)?"
    rf"\b(?:{_NEGATED_VERB}(?:\s+(?:be|want|like|need|have|contain|include|come|look|wear|stand|take))?"
    r"|(?:but\s+)?not(?:\s+(?:(?:looking|searching)\s+for|interested\s+in|into|after))?|none\s+of|no|without|w/o"
    r"|except(?:\s+for)?|excluding|exclude|excl\.?|hates?|dislikes?|nothing|besides"
    r"|other\s+than|apart\s+from|rather\s+than|instead\s+of|minus|nor|neither|avoid|never"
    r"|(?:anything|everything|all|any\s+colou?r)\s+but(?!\s+not))(?=\s|$)",
    re.IGNORECASE,
)
# What looks like a cue and denies nothing of the thing, or is a part of its name.
_NO_CUE = re.compile(
    r"\bno\.?\s*\d|\bno[\s-]+(?:show|drill|sew|iron|mow|tie|pull|slip|touch|tear|rinse|bake|cook|knead|spill|buckle|"
    r"nonsense|brainer|problem|matter|idea|longer|name|man'?s)\b|\bnot\s+(?:only|just|sure|too\b|that\b|working|so\b)"
    r"|\b(?:why|if|whether\s+or|or)\s+not\b|\bdo(?:n'?t|\s+not)\s+(?:know|mind|care|you)\b|\bnever\s+mind\b",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[\w'/&-]+|[^\w\s]")
# Words that a scope may begin with.
_OPENERS = word_set(
    "a an the any in for of with to too very so at all made by from like my me it one ones those these your"
)
# Words that end a scope. What follows is wanted again, or is about something else.
_CLOSERS = word_set(
    """
    but please just only that which who under over because i we you he she they if though although however for in with
    to is are was were as on at from about size between thanks than when where while so and or nor
    """
)
# Cues of a part of the thing, all words of which are denied: "without red stripes".
_BEFORE_PARTS = frozenset({"without", "w/o"})
_JOINERS = frozenset({"or", "nor", "and", "&", "/", ","})
_MOST_WORDS = 3


class Negated(NamedTuple):
    """A query without what it does not want, and the parts that it does not want, as they were written."""

    text: str
    parts: tuple[str, ...]


class _Token(NamedTuple):
    word: str
    start: int
    end: int


def split_negated(text: str, named: Named) -> Negated:
    """Take the negated parts out of a query; `named` finds the tags that a part names.

    A part ends with the word that names a tag ("no black shoes" are shoes), with another clause, or after three words.
    `or` continues it, and `and` and a comma do where the next word names a tag of the same facets.
    """
    exceptions = [match.span() for match in _NO_CUE.finditer(text)]
    pieces: list[str] = []
    parts: list[str] = []
    at = 0
    for cue in _CUE.finditer(text):
        if cue.start() < at or any(start <= cue.start() < end for start, end in exceptions):
            continue
        word = cue.group().lower()
        scope = _scope(_tokens(text, cue.end()), named, word)
        # `nothing` is also a word of its own.
        if not scope or (word == "nothing" and not named(text[scope[0].start : scope[-1].end])):
            continue
        parts.append(text[scope[0].start : scope[-1].end])
        pieces.append(text[at : cue.start()])
        at = scope[-1].end
    if not parts:
        return Negated(text, ())
    pieces.append(text[at:])
    kept = (piece.strip(" ,;:()[]!-") for piece in pieces)
    return Negated(_DANGLING.sub("", " ".join(piece for piece in kept if piece)).strip(), tuple(parts))


# What is left at the end of a query when its negated part is gone.
_DANGLING = re.compile(r"(?:[\s,;-]+(?:but|and|or|with|in|please|ones?|only|thanks))+[\s,;-]*$", re.IGNORECASE)


def _tokens(text: str, start: int) -> list[_Token]:
    return [_Token(match.group().lower(), *match.span()) for match in _TOKEN.finditer(text, start)]


def _scope(tokens: Sequence[_Token], named: Named, cue: str) -> list[_Token]:
    """The tokens that a cue denies."""
    scope: list[_Token] = []
    place = 0
    while place < len(tokens) and tokens[place].word in _OPENERS:
        scope.append(tokens[place])
        place += 1
    words, tags = 0, frozenset[str]()
    while place < len(tokens):
        token = tokens[place]
        if token.word in _JOINERS and words:
            joined = _joined(tokens[place:], named, tags)
            if not joined:
                break
            scope += joined
            tags |= named(" ".join(each.word for each in joined))
            place += len(joined)
            continue
        if words == _MOST_WORDS or _ends(token):
            break
        # "navy blue" names two tags, and "black shoes" one and the thing.
        if tags and cue not in _BEFORE_PARTS and not _share_a_facet(named(token.word), tags):
            break
        scope.append(token)
        words += 1
        tags = named(" ".join(each.word for each in scope))
        place += 1
        is_before_a_thing = cue == "no" and not tags and words == 1 and place < len(tokens) and not _ends(tokens[place])
        # Of "no logo shirt" only the first word is denied, unless the next names a tag.
        if is_before_a_thing and not named(f"{token.word} {tokens[place].word}"):
            break
    return scope if words else []


def _joined(tokens: Sequence[_Token], named: Named, tags: frozenset[str]) -> list[_Token]:
    """The joiners and openers in front of the next denied word, and that word; empty if it is not denied."""
    end = 0
    while end < len(tokens) and (tokens[end].word in _JOINERS or tokens[end].word in _OPENERS):
        end += 1
    if end == len(tokens) or not tokens[end].word[0].isalnum() or tokens[end].word in _CLOSERS:
        return []
    is_or = any(token.word in {"or", "nor"} for token in tokens[:end])
    if is_or or _share_a_facet(named(tokens[end].word), tags):
        return list(tokens[: end + 1])
    return []


def _share_a_facet(some: Iterable[str], others: Iterable[str]) -> bool:
    return not set(map(facet_of, some)).isdisjoint(map(facet_of, others))


def _ends(token: _Token) -> bool:
    return token.word in _CLOSERS or not token.word[0].isalnum()
