"""Which bundle a program uses when it starts."""

from typing import NamedTuple

from hangtag.following.errors import RefusedError
from hangtag.following.follower import BundleFollower
from hangtag.following.following import Following
from hangtag.following.loaded import Loaded
from hangtag.following.loader import Loader
from hangtag.models import LocalModels, LocalModelsError, ModelsTopic, Pointer, PointerRecord, PointerWatch
from hangtag.settings import Settings
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.tagger import open_tagger, show_bundle
from hangtag.telemetry import get_log
from hangtag.telemetry.clock import SystemClock

_log = get_log(__name__)


class _Start(NamedTuple):
    """What a program begins with. `pointer` named the bundle; None: none did. `refused` is why it is not the latest."""

    loaded: Loaded
    pointer: Pointer | None = None
    refused: RefusedError | None = None


def open_following(settings: Settings, *, in_bulk: bool = False, own_bundle: bool = False) -> Following:
    """Load the bundle that the pointer names, and follow the pointer; where none is followed, that of `settings.model`.

    If the pointer's bundle cannot be used here, or nothing says which one that is, it is the last one that worked on
    this machine. With `own_bundle` it is that of `settings.model` in any case, and only blocked tags are followed.

    Raises:
        RefusedError: the pointer's bundle cannot be used, and none has worked on this machine before.
        BundleError, EngineError, FaultError, EncoderPoolError: as `open_tagger`, of the bundle of `settings.model`.
        StoreMismatchError: the URL of the store cannot be read.
    """
    models = settings.models
    if models.store is None:
        return Following.of(open_tagger(settings.model, in_bulk=in_bulk))
    local = LocalModels(models.cache_dir)
    loader = Loader(settings, local, in_bulk=in_bulk)
    record, topic = PointerRecord(settings.redis), ModelsTopic(settings.kafka)

    def on_pointer(found: Pointer) -> None:
        following.on_pointer(found)

    watch = PointerWatch(record, topic, on_pointer, route=models.route, poll_s=models.poll_s)
    try:
        pointer = watch.poll()
        start = _own(settings, in_bulk) if own_bundle else _start(settings, loader, local, pointer, in_bulk)
    except BaseException:
        record.close()
        raise
    in_use = TaggerInUse.of(start.loaded.release())
    follower = BundleFollower(
        in_use, start.loaded, None if own_bundle else loader, None if own_bundle else local, SystemClock()
    )
    following = Following(in_use, follower).watched_by(watch, record.close)
    for each in (start.pointer, pointer):
        if each is not None:
            following.on_pointer(each)
    if start.refused is not None:
        follower.refused(start.refused)
    show_bundle(in_use.current.tagger)
    return following


def _own(settings: Settings, in_bulk: bool) -> _Start:
    tagger = open_tagger(settings.model, in_bulk=in_bulk)
    return _Start(Loaded(tagger))


def _start(settings: Settings, loader: Loader, local: LocalModels, pointer: Pointer | None, in_bulk: bool) -> _Start:
    refused = None
    if pointer is not None:
        try:
            loaded = Loaded(loader.load(pointer))
        except RefusedError as error:
            refused = error
        else:
            _keep(local, pointer)
            return _Start(loaded, pointer)
    kept = local.last_good(settings.models.route)
    if kept is None:
        if refused is not None:
            raise refused
        return _own(settings, in_bulk)
    last, path = kept
    if refused is None:
        _log.warning(
            "pointer_not_known",
            next=f"bundle {last.bundle_version[:12]} is used, the last one that worked on this machine",
        )
    return _Start(Loaded(loader.load_kept(last, path)), last, refused)


def _keep(local: LocalModels, pointer: Pointer) -> None:
    try:
        local.keep(pointer)
    except LocalModelsError as error:
        _log.warning("bundle_not_kept", message=str(error), next="a restart while models.store is away would fail")
