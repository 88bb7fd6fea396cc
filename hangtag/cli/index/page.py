"""What the index process says and does over HTTP, on its page."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from hangtag.cli.errors import CommandError
from hangtag.server.index.repair import Wrong, to_json
from hangtag.settings import IndexSettings, variable_of

_TIMEOUT_S = 10
_LOOK_EVERY_S = 0.2
_PATIENCE_S = 60.0


class IndexPage:
    """The page of the index process that the settings name; it does something only for programs of its machine."""

    def __init__(self, settings: IndexSettings) -> None:
        self._address = f"http://{settings.metrics_host}:{settings.metrics_port}"

    def details(self) -> dict[str, Any]:
        """What `/healthz` says of the index.

        Raises:
            CommandError: nothing answers there.
        """
        found: dict[str, Any] = self._ask("/healthz", "GET")["details"]
        return found

    def snapshot(self) -> str:
        """Let it write its snapshot, and return the file.

        Raises:
            CommandError: nothing answers there, it writes no snapshots, or none within a minute.
        """
        asked = self.want_snapshot()
        if not asked["snapshot"]:
            name = variable_of("index.snapshot_dir")
            msg = f"the index writes no snapshot, which is what is compared; start it with {name}=FOLDER"
            raise CommandError(msg)
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            if self.details()["snapshot_ms"] >= asked["asked_ms"]:
                return str(asked["snapshot"])
            time.sleep(_LOOK_EVERY_S)
        msg = f"the index wrote no snapshot to {asked['snapshot']} within {_PATIENCE_S:.0f} s; its log says why"
        raise CommandError(msg)

    def want_snapshot(self) -> dict[str, Any]:
        """Let it write its snapshot soon; returns the file as `snapshot`, and the time as `asked_ms`.

        Raises:
            CommandError: nothing answers there.
        """
        return self._ask("/snapshot", "POST")

    def read_again(self, show: Callable[[str], None]) -> None:
        """Let it read the whole topic once more, and wait until it answers from that.

        Raises:
            CommandError: nothing answers there any more.
        """
        before = self._ask("/read-again", "POST")["readings"]
        while self.details()["readings"] <= before:
            show("the index reads the topic again")
            time.sleep(_LOOK_EVERY_S)

    def repair(self, wrong: Sequence[Wrong], show: Callable[[str], None]) -> None:
        """Let it replace what it knows of these products, and wait until it answers from that.

        Raises:
            CommandError: nothing answers there any more, or it repairs nothing within a minute.
        """
        before = self._ask("/repair", "POST", to_json(wrong))["repairs"]
        end = time.monotonic() + _PATIENCE_S
        while self.details()["repairs"] <= before:
            if time.monotonic() > end:
                msg = f"the index repaired nothing within {_PATIENCE_S:.0f} s; its log says why"
                raise CommandError(msg)
            show(f"the index repairs {len(wrong):,} products")
            time.sleep(_LOOK_EVERY_S)

    def _ask(self, path: str, method: str, body: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(f"{self._address}{path}", body, method=method)  # noqa: S310 (always http)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                found: dict[str, Any] = orjson.loads(answer.read())
        except urllib.error.HTTPError as error:
            msg = f"{self._address}{path} answered {error.code}; run this command on the machine of the index"
            raise CommandError(msg) from error
        except OSError as error:
            names = f"{variable_of('index.metrics_host')} and {variable_of('index.metrics_port')}"
            msg = f"no index at {self._address} ({error}): start it with `hangtag index serve`, or set {names}"
            raise CommandError(msg) from error
        return found
