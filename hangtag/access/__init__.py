"""Who may call a server: tokens, what they allow, the file that holds them, and how open a server is."""

from hangtag.access.editing import add_token, revoke_token
from hangtag.access.exposure import cautions, refusal
from hangtag.access.file_stamp import FileStamp, stamp_of
from hangtag.access.scope import Scope
from hangtag.access.token import NewToken, Token, new_token
from hangtag.access.tokens import Tokens
from hangtag.access.tokens_file import TokensFileError, read_tokens

__all__ = [
    "FileStamp",
    "NewToken",
    "Scope",
    "Token",
    "Tokens",
    "TokensFileError",
    "add_token",
    "cautions",
    "new_token",
    "read_tokens",
    "refusal",
    "revoke_token",
    "stamp_of",
]
