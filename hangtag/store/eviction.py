"""Whether the store may drop keys on its own when its memory is full."""

import re
from typing import Any

from hangtag.store.errors import StoreMismatchError

_FIELD = re.compile(rb"^(\w+):(\S*)", re.MULTILINE)
_COSTS = {
    "allkeys": "it drops tags, and products look as if never received until the next rebuild",
    "volatile": "it drops marks of deletions, and an older event brings a deleted product back",
}


def check_eviction(info: Any, address: str) -> str:
    """The policy in the reply to `INFO memory`; empty: the reply does not say.

    Raises:
        StoreMismatchError: the store has a limit of memory and a policy under which it drops keys.
    """
    fields = dict(_FIELD.findall(info)) if isinstance(info, bytes) else {}
    policy: str = fields.get(b"maxmemory_policy", b"").decode()
    cost = _COSTS.get(policy.split("-", maxsplit=1)[0])
    if cost is not None and fields.get(b"maxmemory", b"0") != b"0":
        msg = (
            f"the store at {address} has maxmemory-policy {policy}: when its memory is full, {cost}. Set noeviction, "
            "with `CONFIG SET maxmemory-policy noeviction` or where the store is configured"
        )
        raise StoreMismatchError(msg)
    return policy
