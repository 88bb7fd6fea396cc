"""Whether a worker with a bundle of its own may join the group of those that follow the pointer."""

from hangtag.following.errors import NotJoinedError
from hangtag.models import ModelsError, ModelsTopic, Pointer, PointerRecord
from hangtag.settings import Settings
from hangtag.store import StoreError, StoreMismatchError
from hangtag.telemetry import get_log

_log = get_log(__name__)


def check_joining(settings: Settings) -> None:
    """Refuse if a pointer is in force: this worker would tag some of the products with another bundle.

    If neither the store nor the brokers say, it may join: what it writes never replaces tags of a promoted bundle of
    the same version.

    Raises:
        NotJoinedError: a pointer is in force.
        StoreMismatchError: the URL of the store cannot be read.
    """
    pointer = _pointer(settings)
    if pointer is not None:
        msg = (
            f"bundle {pointer.bundle_version[:12]} is in use (sequence {pointer.sequence}), and this worker would use "
            "another one for its part of the products: set HANGTAG_MODELS__STORE and leave out --bundle, so that it "
            "follows; or add --force"
        )
        raise NotJoinedError(msg)


def _pointer(settings: Settings) -> Pointer | None:
    route = settings.models.route
    try:
        with PointerRecord(settings.redis) as record:
            return record.read(route)
    except StoreMismatchError:
        raise
    except StoreError:
        pass  # whoever waits for the store says so
    try:
        return ModelsTopic(settings.kafka).read().current(route)
    except ModelsError as error:
        _log.warning("pointer_not_known", message=str(error), next="the worker joins the group with its own bundle")
        return None
