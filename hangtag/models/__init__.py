"""Models in production: the place for bundles, the pointer that says which one is in use, and its order.

The topic `hangtag.models` is the truth (`ModelsTopic`); the key `ht:models:{route}` in Redis is where programs read it
(`PointerRecord`), and is restored from the topic. `Shelf` is the place for bundles, `LocalModels` what was fetched from
it to this machine. `PointerWatch` tells a program of each new pointer, `Decisions` makes one.
"""

from hangtag.models.blocks import blocks_after
from hangtag.models.decision import Decision, Kind
from hangtag.models.decisions import Decided, Decisions
from hangtag.models.errors import LocalModelsError, LostRaceError, ModelsError, ModelsTopicError, ShelfError
from hangtag.models.history import Entry, History
from hangtag.models.listed import Facts, Listed, ShelfFile
from hangtag.models.local import LocalModels
from hangtag.models.pointer import Pointer
from hangtag.models.record import PointerRecord
from hangtag.models.restore import restore_pointers
from hangtag.models.shelf import Shelf
from hangtag.models.topic import ModelsTopic
from hangtag.models.watch import PointerWatch

__all__ = [
    "Decided",
    "Decision",
    "Decisions",
    "Entry",
    "Facts",
    "History",
    "Kind",
    "Listed",
    "LocalModels",
    "LocalModelsError",
    "LostRaceError",
    "ModelsError",
    "ModelsTopic",
    "ModelsTopicError",
    "Pointer",
    "PointerRecord",
    "PointerWatch",
    "Shelf",
    "ShelfError",
    "ShelfFile",
    "blocks_after",
    "restore_pointers",
]
