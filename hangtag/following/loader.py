"""Fetches, checks and loads a bundle beside the one in use."""

import fcntl
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from hangtag.bundle import Bundle, BundleError, load_bundle, read_references
from hangtag.engine.errors import EngineError
from hangtag.following.errors import RefusedError, Why
from hangtag.following.memory import free_bytes, needed_bytes
from hangtag.models import LocalModels, LocalModelsError, Pointer, Shelf, ShelfError
from hangtag.settings import Settings
from hangtag.tagger.encoder_pool import EncoderPoolError
from hangtag.tagger.faults import FaultError
from hangtag.tagger.references import check_references
from hangtag.tagger.spare_memory import give_back
from hangtag.tagger.tagger import Tagger, tagger_of

_MB = 1_000_000
# As far down as it goes: calls and batches go first.
_LOWEST_PRIORITY = 10
# Only one process of a machine loads at a time: two bundles at a time then cost their memory and their cores once.
_LOCK = ".loading"

T = TypeVar("T")


class Loader:
    """Loads what a pointer names. `in_bulk` and `settings.model` are those of `open_tagger`, but for the bundle."""

    def __init__(self, settings: Settings, local: LocalModels, *, in_bulk: bool = False) -> None:
        assert settings.models.store is not None
        self._store = settings.models.store
        self._model = settings.model
        self._local = local
        self._in_bulk = in_bulk

    def load(self, pointer: Pointer) -> Tagger:
        """The tagger of the pointer's bundle, with every hash checked, warmed up, and tried on texts.

        Raises:
            RefusedError: it cannot be fetched, is damaged, does not fit the memory, or does not work.
        """
        with _refusing(), _one_at_a_time(self._local.folder):
            # Hashing and reading take some tenths of a second of Python; what compiles the model must not run so low,
            # because threads that it starts keep the priority.
            path = self._local.path_of(pointer.bundle_version)
            bundle = _at_low_priority(lambda: self._local.load(pointer.bundle_version, Shelf(self._store)))
            give_back()  # its files were read whole
            _check_memory(path, is_read=True)
            return self._opened(bundle, path)

    def load_kept(self, pointer: Pointer, path: Path) -> Tagger:
        """As `load`, of a bundle that is on this machine, without asking the place for bundles."""
        with _refusing(), _one_at_a_time(self._local.folder):
            _check_memory(path)
            return self._opened(_at_low_priority(lambda: _checked(path, pointer)), path)

    def _opened(self, bundle: Bundle, path: Path) -> Tagger:
        tagger = tagger_of(bundle, self._model, in_bulk=self._in_bulk)
        try:
            _try_out(tagger, path)
        except BaseException:
            tagger.close()
            tagger.engine.close()
            raise
        return tagger


def _checked(path: Path, pointer: Pointer) -> Bundle:
    bundle = load_bundle(path)
    if bundle.version != pointer.bundle_version:
        msg = f"{path} holds bundle {bundle.version[:12]}, not {pointer.bundle_version[:12]}; remove the folder"
        raise RefusedError(Why.DAMAGED, msg)
    return bundle


def _try_out(tagger: Tagger, path: Path) -> None:
    references = read_references(path)
    if references is None:
        return
    try:
        check_references(tagger, references)
    except MemoryError:
        raise
    except Exception as error:
        raise RefusedError(Why.TRIAL, str(error)) from error


def _check_memory(path: Path, *, is_read: bool = False) -> None:
    needed, free = needed_bytes(path, is_read=is_read), free_bytes()
    if free is not None and free < needed:
        msg = (
            f"loading the bundle takes up to {needed / _MB:.0f} MB beside the one in use, and {free / _MB:.0f} MB are "
            "free; allow the process more memory"
        )
        raise RefusedError(Why.MEMORY, msg)


@contextmanager
def _refusing() -> Iterator[None]:
    """Whatever a bundle causes, the one in use stays."""
    try:
        yield
    except RefusedError:
        raise
    except ShelfError as error:
        raise RefusedError(Why.FETCH, str(error)) from error
    except LocalModelsError as error:
        raise RefusedError(Why.DISK, str(error)) from error
    except BundleError as error:
        raise RefusedError(Why.DAMAGED, str(error)) from error
    except MemoryError as error:
        raise RefusedError(Why.MEMORY, f"{error or 'out of memory'}; allow the process more memory") from error
    except (EngineError, EncoderPoolError) as error:
        raise RefusedError(Why.ENGINE, str(error)) from error
    except FaultError as error:
        raise RefusedError(Why.TRIAL, str(error)) from error
    except Exception as error:
        raise RefusedError(Why.OTHER, f"{type(error).__name__}: {error}") from error


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        msg = f"{folder} cannot be written: {error.strerror}; set HANGTAG_MODELS__CACHE_DIR to a folder of this user"
        raise RefusedError(Why.DISK, msg) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _at_low_priority(call: Callable[[], T]) -> T:
    """What `call` returns, from a thread of its own that gives way to all others. Raises what it raises."""
    found: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        if sys.platform == "linux":  # elsewhere it would be the priority of the process
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        try:
            found.append(call())
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            errors.append(error)

    thread = threading.Thread(target=run, name="model-reader", daemon=True)
    thread.start()
    thread.join()
    if not errors:
        return found[0]
    error = errors.pop()
    try:
        raise error
    finally:
        del error  # its frames hold what was read, and would hold it themselves
