"""The question about a facet in plain words, from templates that a shop can change (`server.questions`).

A file of templates has a table for each language (ISO 639-1). What it leaves out is as in Hangtag's own:

    [en]
    single = "Which {label} would you like?"         # facets of which a product has one value
    multi = "Which {label} should it have?"          # facets of which it can have several

    [en.facets]                                      # facets with a question of their own
    color = "In which color?"
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any, Self

from hangtag.server.errors import ServerError
from hangtag.settings.toml import TomlError, parse_toml
from hangtag.tags.schema import FacetKind, TagSchema

DEFAULT_LANGUAGE = "en"
MAX_CHARACTERS = 200
MAX_FILE_BYTES = 1_048_576

_LANGUAGE = re.compile(r"[a-z]{2}")
_KINDS = tuple(kind.value for kind in FacetKind)
_FACETS = "facets"
# By language and kind of facet, or `facets.NAME`.
_OWN = {
    ("en", "single"): "Which {label}?",
    ("en", "multi"): "Which {label} should it have?",
    ("en", "facets.segment"): "What kind of thing are you looking for?",
    ("en", "facets.family"): "What is it more precisely?",
    ("en", "facets.class"): "Which of these is it?",
    ("en", "facets.audience"): "Who is it for?",
    ("en", "facets.color"): "In which color?",
    ("en", "facets.genre"): "What kind of game?",
    ("en", "facets.mode"): "How would you like to play?",
    ("de", "single"): "Was passt am besten ({label})?",
    ("de", "multi"): "Was soll dabei sein ({label})?",
    ("de", "facets.segment"): "Was für ein Produkt suchen Sie?",
    ("de", "facets.family"): "Was ist es genauer?",
    ("de", "facets.class"): "Was davon ist es?",
    ("de", "facets.audience"): "Für wen ist es?",
    ("de", "facets.color"): "In welcher Farbe?",
    ("de", "facets.genre"): "Was für ein Spiel?",
    ("de", "facets.mode"): "Wie möchten Sie spielen?",
}


class Questions:
    """Templates by language and kind of facet, or facet; those of a shop over Hangtag's own."""

    def __init__(self, templates: Mapping[tuple[str, str], str] | None = None) -> None:
        self._templates = {**_OWN, **(templates or {})}
        self._languages = {language for language, _ in self._templates}

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """The templates of a file; Hangtag's own without one.

        Raises:
            ServerError: the file cannot be read, or a line of it is wrong; the message names the line.
        """
        if path is None:
            return cls()
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                msg = f"server.questions: {path} is larger than {MAX_FILE_BYTES:,} bytes"
                raise ServerError(msg)
            return cls(dict(_read(parse_toml(content), content.decode())))
        except OSError as error:
            msg = f"server.questions: {path} cannot be read: {error.strerror}"
            raise ServerError(msg) from error
        except TomlError as error:
            msg = f"server.questions: {path}: {error}"
            raise ServerError(msg) from error
        except _WrongTemplateError as error:
            msg = f"server.questions: {path}, line {error.line}: {error}"
            raise ServerError(msg) from error

    def text(self, facet: str, language: str, schema: TagSchema) -> str:
        """The question about a facet of the schema in this language, or in English if there is no template for it.

        A region is ignored: `de-AT` is answered as `de`. The facet's own question is taken, else that of its kind.
        """
        spoken = language.lower().replace("_", "-").partition("-")[0]
        if spoken not in self._languages:
            spoken = DEFAULT_LANGUAGE
        kind = next((each.kind for each in schema.facets if each.name == facet), FacetKind.SINGLE)
        places = [(each, name) for each in (spoken, DEFAULT_LANGUAGE) for name in (f"{_FACETS}.{facet}", kind.value)]
        template = next(self._templates[place] for place in places if place in self._templates)
        return template.format(label=schema.label(facet))


class _WrongTemplateError(ValueError):
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def _read(found: dict[str, Any], text: str) -> Iterator[tuple[tuple[str, str], str]]:
    for language, table in found.items():
        line = _line_of(text, language)
        if not _LANGUAGE.fullmatch(language) or not isinstance(table, dict):
            msg = f"{language!r} is not a table of a language; write two letters as in [en]"
            raise _WrongTemplateError(msg, line)
        named = table.get(_FACETS, {})
        if not isinstance(named, dict):
            msg = f"{_FACETS} must be a table, [{language}.{_FACETS}]"
            raise _WrongTemplateError(msg, _line_of(text, _FACETS, language))
        for kind in table.keys() - {*_KINDS, _FACETS}:
            msg = (
                f"{kind!r} is not one of {', '.join(_KINDS)} and {_FACETS}; write a facet below [{language}.{_FACETS}]"
            )
            raise _WrongTemplateError(msg, _line_of(text, kind, language))
        for kind in _KINDS:
            if kind in table:
                yield (language, kind), _checked(table[kind], kind, _line_of(text, kind, language))
        for facet, template in named.items():
            line = _line_of(text, facet, f"{language}.{_FACETS}")
            yield (language, f"{_FACETS}.{facet}"), _checked(template, facet, line)


def _checked(template: object, name: str, line: int) -> str:
    if not isinstance(template, str) or not template.strip() or len(template) > MAX_CHARACTERS:
        msg = f"{name} must be a text of 1 to {MAX_CHARACTERS} characters"
        raise _WrongTemplateError(msg, line)
    try:
        fields = {(field, spec, how) for _, field, spec, how in Formatter().parse(template) if field is not None}
    except ValueError as error:
        msg = f"{name}: {error}; write {{{{ and }}}} for braces"
        raise _WrongTemplateError(msg, line) from error
    if fields - {("label", "", None)}:
        msg = (
            f"{name}: the only part to be filled in is {{label}}, the name of the facet; write {{{{ and }}}} for braces"
        )
        raise _WrongTemplateError(msg, line)
    return template


def _line_of(text: str, key: str, table: str = "") -> int:
    """The line of a key in a table, as people usually write it; the first that names the key, or 1."""
    quoted = rf"[\"']?{re.escape(key)}[\"']?"
    here, first = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        if heading := re.match(r"\s*\[+\s*([^\]]*?)\s*\]", line):
            here = heading[1]
            if not table and re.match(rf"{quoted}(\s*\.|$)", here):
                return number
        elif re.match(rf"\s*([\w\"'.]*\.)?{quoted}\s*=", line):
            if here == table:
                return number
            first = number if first == 1 else first
    return first
