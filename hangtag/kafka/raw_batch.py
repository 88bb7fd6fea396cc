"""What could not be read of a fetched batch."""


class RawBatch(bytes):
    """A record's value that stands for the offsets `first` to `last`: the batch, or what could not be read of it.

    `may_pass` says that fetching it again can help: its checksum does not match, which may have happened on the way.
    """

    first: int
    last: int
    why: str
    may_pass: bool

    @classmethod
    def of(cls, raw: bytes, first: int, last: int, why: str, *, may_pass: bool = False) -> "RawBatch":
        """The bytes with what is known about them."""
        found = cls(raw)
        found.first, found.last, found.why, found.may_pass = first, last, why, may_pass
        return found
