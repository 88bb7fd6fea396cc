"""Texts of shops: cleaning."""

from hangtag.text.clean import clean_text
from tests.fuzz.contract import require

MAX_CHARS = 1_000

SEEDS = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        "Red wool scarf, 180 cm",
        "<p>Red&nbsp;<b>wool</b> &amp;amp; scarf</p><script>var a = '<b>';</script><style>b{}</style><!-- x -->",
        "<![CDATA[<b>wool</b>]]> //<![CDATA[ var a; //]]> <img src='data:image/png;base64,AAAA'>",
        "&#0;&#x110000;&#xd800;&#99999999;&#x80;&notit;&NotExistingEntity;&lt;b&gt;&amp;lt;b&amp;gt;&#" + "9" * 1_100,
        "a" + "\u0301\u0323" * 40,
        "\ufdfa" * 30 + "\u1fa7\u0344",
        "\u202e\u2066abc\u2069\u202c\u200d\u200b\ufeff\u00ad\u034f\ufe0f\U000e0041",
        "\u0130stanbul \u0131 \u1e9e \ufb03 \u2126 \u212b",
        "\x00\x1b[31m\r\n\t\u2028\u0085\u3000\u2800\u3164",
        "\ud800\udfff \ue000 \uffff \U0010ffff",
        "\u1100\u1161\u11a8\uac00\u11a8 \u0e33\u0e4d",
        "<!--" * 20 + "<script>" * 20 + "</script" * 20 + " " * 50,
        "<" * 50 + "a" * 50 + ">" * 50,
        "",
    )
)


def target(data: bytes) -> str:
    """Clean the text, twice: the result is one line of visible characters, and stays the same."""
    text = data.decode("utf-8", "surrogatepass") if _is_text(data) else data.decode("utf-8", "replace")
    cleaned = clean_text(text, MAX_CHARS)
    require(len(cleaned) <= MAX_CHARS, f"{len(cleaned)} characters")
    require(cleaned.isprintable(), "a character that is not printable")
    require(cleaned == " ".join(cleaned.split()), "white space at an end, or two in a row")
    cleaned.encode()
    # A text that spells out markup is the documented exception.
    if not set("<&>;") & set(cleaned):
        require(clean_text(cleaned, MAX_CHARS) == cleaned, "cleaning a cleaned text changes it")
    return (
        "empty" if not cleaned else "shorter" if len(cleaned) < len(text) else "same" if cleaned == text else "longer"
    )


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True
