"""Metrics and health of several processes on one page."""

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from hangtag.telemetry import Part
from hangtag.telemetry.health import Pulse

# A process that does not answer within this time is shown as not healthy.
_LIMIT_S = 2.0
# The label that tells the processes apart.
_LABEL = "process"


class Ports(Protocol):
    """Where a process listens."""

    @property
    def metrics_port(self) -> int:
        """Of its own page."""
        ...


Members = Callable[[], Mapping[int, Ports | None]]


class Pages(Collector):
    """Asks each process for its own page, at the time when somebody asks for the common one.

    `members` are the ports of the processes, by number; None: one that is being started.
    """

    def __init__(self, members: Members) -> None:
        self._members = members
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="member-pages")
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def describe(self) -> list[Metric]:
        """See `Collector`: nothing is known before the processes are asked."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics of all processes, each with the label `process`."""
        families: dict[str, Metric] = {}
        for number, page in self.ask("metrics").items():
            for family in text_string_to_metric_families((page or b"").decode()):
                known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                known.samples += [
                    sample._replace(labels={**sample.labels, _LABEL: str(number)}) for sample in family.samples
                ]
        yield from families.values()

    def pulses(self) -> list[Pulse]:
        """The heartbeats of all processes."""
        found: list[Pulse] = []
        for number, page in self.ask("healthz").items():
            body = body_of(page)
            body.pop("details", None)
            if page is None and self._members().get(number) is not None:
                found.append(Pulse(f"process {number}", math.inf, _LIMIT_S))
            found += [
                Pulse(f"{name} of process {number}", pulse["age_s"], _number(pulse["limit_s"]))
                for name, pulse in body.items()
            ]
        return found

    def details(self) -> Mapping[str, Any]:
        """What the processes say about store and model: the first that has a problem, else the first."""
        details = [body_of(page).get("details", {}) for page in self.ask("healthz").values()]
        found = {}
        for name in ("store", "model"):
            known = [each[name] for each in details if name in each]
            wrong = [each for each in known if each.get("emptied") or each.get("problem")]
            if known:
                found[name] = (wrong or known)[0]
        return found

    def parts(self) -> list[Part]:
        """What each process lacks to be ready."""
        found: list[Part] = []
        for number, page in self.ask("readyz").items():
            if page is None:
                found.append(Part(f"process {number}", False, "it does not work yet, or does not answer"))
            body = body_of(page)
            found += [Part(f"{name} of process {number}", part["ready"], part["reason"]) for name, part in body.items()]
        return found

    def ask(self, path: str) -> dict[int, bytes | None]:
        """The page of each process; None: it does not answer."""
        members = self._members()
        pages = self._threads.map(lambda bound: _fetch(bound, path), members.values())
        return dict(zip(members, pages, strict=True))


def _fetch(bound: Ports | None, path: str) -> bytes | None:
    if bound is None:
        return None
    try:
        with urlopen(f"http://127.0.0.1:{bound.metrics_port}/{path}", timeout=_LIMIT_S) as reply:
            page: bytes = reply.read()
    except HTTPError as error:
        with error:
            return error.read()
    except OSError:
        return None
    return page


def body_of(page: bytes | None) -> dict[str, Any]:
    """A page that is JSON; empty if there is none."""
    return orjson.loads(page) if page else {}


def _number(limit: float | None) -> float:
    """JSON has no infinity."""
    return math.inf if limit is None else limit
