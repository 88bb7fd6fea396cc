"""One of the processes that serve on one port, and what it tells the process that started them."""

from multiprocessing.connection import Connection
from typing import NamedTuple

from hangtag.processes import Parent


class Bound(NamedTuple):
    """The ports of a process that serves; `http_port` is None without HTTP."""

    port: int
    metrics_port: int
    http_port: int | None = None

    def ports(self) -> dict[str, int]:
        """Those that there are, by name."""
        return {name: port for name, port in self._asdict().items() if port is not None}


class Member(Parent):
    """The place of a process among `count` of them. It is passed to the process when that starts."""

    def __init__(
        self, number: int, count: int, port: int, http_port: int | None, tell: Connection, life: Connection
    ) -> None:
        super().__init__(tell, life)
        self.number = number
        self.count = count
        self.port = port
        self.http_port = http_port
