"""Which tags are blocked after a decision: blocks stay in force until somebody lifts them by name."""

from collections.abc import Collection

from hangtag.models.errors import ModelsError
from hangtag.models.pointer import Pointer


def blocks_after(
    before: Pointer | None, own: Collection[str], *, block: Collection[str] = (), unblock: Collection[str] = ()
) -> frozenset[str]:
    """The tags that are blocked from now on. `own` are those that the schema of the bundle that comes into use blocks.

    Raises:
        ModelsError: a tag of `unblock` is not blocked, or the bundle's own schema blocks it.
    """
    in_force = {*(before.blocked if before else ()), *own}
    for tag in sorted(unblock):
        if tag not in in_force:
            msg = f"{tag} is not blocked; blocked are: {', '.join(sorted(in_force)) or 'none'}"
            raise ModelsError(msg)
        if tag in own:
            msg = f"the bundle's own schema blocks {tag}: make a bundle without the block and promote that one"
            raise ModelsError(msg)
    return frozenset((in_force | {*block}) - {*unblock})
