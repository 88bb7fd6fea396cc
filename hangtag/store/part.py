"""One command on its way to the node of a cluster that serves its key."""

from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import AskError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError

from hangtag.store.client import Node
from hangtag.store.errors import is_denied, is_elsewhere
from hangtag.store.link import Command

_ASKING: Command = ("ASKING",)


@dataclass(slots=True)
class Part:
    """A command with its reply, or with the error of its last try.

    `node` is where it must go; without one it goes to the node that serves `slot`. `places` are those of its keys in
    a look-up that was split.
    """

    command: Command
    slot: int = 0
    node: Node | None = None
    places: list[int] = field(default_factory=list)
    reply: Any = None
    error: RedisError | None = None
    redirected_to: Node | None = None
    is_asking: bool = False
    is_given_up: bool = False

    def commands(self) -> list[Command]:
        """What to send for it."""
        return [_ASKING, self.command] if self.is_asking else [self.command]

    def take(self, reply: Any, node: Node) -> None:
        """The reply of `node`, or the exception that it answered with."""
        self.error = self.redirected_to = None
        self.is_asking = False
        if isinstance(reply, AskError):  # `MovedError` too
            self.error = reply
            self.redirected_to = Node(reply.host or node.host, reply.port)
            self.is_asking = type(reply) is AskError
        elif isinstance(reply, RedisError) and (isinstance(reply, TryAgainError) or is_elsewhere(reply)):
            self.error = reply
        else:
            self.reply = reply

    def fail(self, error: RedisError, *, is_given_up: bool = False) -> None:
        """Its node could not be asked; given up: it is not worth another try."""
        self.error, self.redirected_to, self.is_asking = error, None, False
        self.is_given_up = is_given_up

    def is_tried_again(self) -> bool:
        """True if another try may help at once, perhaps at another node."""
        error = self.error
        if error is None or self.is_given_up or is_denied(error):
            return False
        if isinstance(error, TryAgainError):
            return len(self.places) <= 1  # the keys of a look-up can be asked for one by one
        return isinstance(error, AskError | RedisConnectionError) or is_elsewhere(error)
