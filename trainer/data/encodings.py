"""The encoding of a text file: by its byte order mark, its zero bytes, or the words in it."""

import codecs

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What spreadsheets and shop systems write besides Unicode. More candidates would only be mistaken for these.
_CODE_PAGES = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("shift_jis", "gb18030", "big5", "euc_kr", "euc_jp"),
]
# Chosen where the words fit several code pages equally well.
_WESTERN = "cp1252"
_ENOUGH_BYTES = 1 << 16
# In UTF-16 every second byte is 0 in what European languages and JSON use; other encodings have no such bytes.
_ZEROS = 0.2


def unicode_encoding(sample: bytes) -> str:
    """The encoding by byte order mark or zero bytes; `utf-8` if there are none."""
    for mark, name in _MARKS.items():
        if sample.startswith(mark):
            return name
    for name, its_zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if its_zeros.count(0) > _ZEROS * len(its_zeros):
            return name
    return "utf-8"


def detected_encoding(sample: bytes) -> str:
    """The encoding of a table that may be in a code page. It is UTF-8 if most lines that are not ASCII are."""
    name = unicode_encoding(sample)
    if name != "utf-8":
        return name
    lines = [line for line in sample.splitlines(keepends=True) if not line.isascii()]
    others = [line for line in lines if not _is_utf8(line)]
    return name if 2 * len(others) <= len(lines) else _code_page(b"".join(others)[:_ENOUGH_BYTES])


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _code_page(sample: bytes) -> str:
    from charset_normalizer import from_bytes  # noqa: PLC0415 (loaded only for such files)

    matches = from_bytes(sample, cp_isolation=_CODE_PAGES)
    best = matches.best()
    if best is None:
        return "utf-8"
    equal = {name for each in matches if each.chaos == best.chaos for name in each.could_be_from_charset}
    single_bytes = {name for name in (best.encoding, *equal) if name.startswith("cp125")}
    return _WESTERN if _WESTERN in equal and best.encoding in single_bytes else best.encoding
