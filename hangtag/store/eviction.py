"""Whether the store may drop keys on its own when its memory is full."""

from typing import Any

from hangtag.store.errors import StoreMismatchError

_COSTS = {
    "allkeys": "it drops tags, and products look as if never received until the next rebuild",
    "volatile": "it drops marks of deletions, and an older event brings a deleted product back",
}


def check_eviction(info: Any, address: str) -> str:
    """The policy in the reply to `INFO memory`; empty: the reply does not say.

    Raises:
        StoreMismatchError: the store has a limit of memory and a policy under which it drops keys.
    """
    if not isinstance(info, dict) or not isinstance(policy := info.get("maxmemory_policy"), str):
        return ""
    cost = _COSTS.get(policy.split("-")[0])
    if cost is not None and info.get("maxmemory"):
        msg = (
            f"the store at {address} has maxmemory-policy {policy}: when its memory is full, {cost}. Set noeviction, "
            "with `CONFIG SET maxmemory-policy noeviction` or where the store is configured"
        )
        raise StoreMismatchError(msg)
    return policy
