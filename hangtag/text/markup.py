"""Removing markup from a text in linear time: no pattern can backtrack across a `<`, and no search is repeated."""

import re

# What hides everything up to its closing: comments, scripts and styles, and code whose script tag is already gone.
_HIDDEN = re.compile(
    r"<!(?P<comment>--)|<(?P<script>script)\b[^<>]*>|<(?P<style>style)\b[^<>]*>|(?://|/\*)\s{0,9}<!(?P<code>\[)CDATA\[",
    re.IGNORECASE,
)
# A closing without its group closes nothing.
_CLOSINGS = {
    "comment": re.compile("--(>)"),
    "script": re.compile(r"</script(\s*>)?", re.IGNORECASE),
    "style": re.compile(r"</style(\s*>)?", re.IGNORECASE),
    "code": re.compile(r"\]\](>)"),
}
_CDATA = re.compile(r"<!\[CDATA\[", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!?][^<>]*>")
# A file inside a text, as Markdown and style sheets have it.
_DATA_URL = re.compile(r"data:[a-z]{1,20}/[a-z0-9.+-]{1,40};base64,[A-Za-z0-9+/=]*", re.IGNORECASE)


def without_markup(text: str) -> str:
    """The text without tags, comments, scripts and styles. The content of CDATA sections remains, as text or markup."""
    if "<" in text:
        text = _without_hidden(text)
        if _CDATA.search(text):
            text = _CDATA.sub(" ", text).replace("]]>", " ")
        text = _TAG.sub(" ", text)
    return _DATA_URL.sub(" ", text) if ";base64," in text else text


def _without_hidden(text: str) -> str:
    """Remove what is hidden and closed. Each closing is searched for only once, however many are open."""
    pieces, at = [], 0
    closings: dict[str, re.Match[str] | None] = {}
    for opening in _HIDDEN.finditer(text):
        if opening.start() < at:
            continue
        name = str(opening.lastgroup)
        # The hyphens of `<!-->`, an empty comment, are its closing too.
        begins = opening.start(name) if name == "comment" else opening.end()
        if name not in closings or ((known := closings[name]) is not None and known.start() < begins):
            closings[name] = _CLOSINGS[name].search(text, begins)
        closing = closings[name]
        if closing is not None and closing[1]:
            pieces += [text[at : opening.start()], " "]
            at = closing.end()
    return "".join([*pieces, text[at:]])
