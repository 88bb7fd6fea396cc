"""Callers who look products up and ask for tags of texts all the time, and check every answer."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable

import grpc

from benchmarks.release.bundles import Catalogue
from hangtag.v1 import tags_pb2, tags_pb2_grpc

_AT_ONCE = 30
_TIMEOUT_S = 15.0
_TEXTS = 5
_BATCHES_PER_S = 4.0
_KEPT_PROBLEMS = 20


class Callers(threading.Thread):
    """`per_s` look-ups in a second, and some batches of suggestions.

    An answer is mixed if its tags are not those that its own `bundle_version` gives its text, or if a batch has
    suggestions of two bundles. `phase` is what the times are counted under.
    """

    def __init__(self, address: str, catalogue: Catalogue, products: int, per_s: float) -> None:
        super().__init__(name="callers", daemon=True)
        self.phase = "start"
        self.counts: Counter[str] = Counter()
        self.bundles: Counter[str] = Counter()
        self.problems: list[str] = []
        self._took_ms: dict[str, list[float]] = {}
        self._address, self._catalogue, self._products, self._per_s = address, catalogue, products, per_s
        self._is_over = threading.Event()

    def run(self) -> None:
        """Until `end`."""
        asyncio.run(self._call())

    def end(self) -> None:
        """Stop calling."""
        self._is_over.set()
        self.join()

    def p_ms(self, phase: str, share: float) -> float:
        """So many milliseconds or fewer took this share of the look-ups of a phase."""
        ordered = sorted(self._took_ms.get(phase, [0.0]))
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    async def _call(self) -> None:
        async with grpc.aio.insecure_channel(self._address) as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            callers = [self._look_up(stub, random.Random(number)) for number in range(_AT_ONCE)]
            await asyncio.gather(*callers, self._suggest(stub, random.Random(-1)))

    async def _look_up(self, stub: tags_pb2_grpc.TagServiceStub, choice: random.Random) -> None:
        every_s = _AT_ONCE / self._per_s
        await asyncio.sleep(choice.random() * every_s)
        due = time.monotonic()
        while not self._is_over.is_set():
            number = choice.randrange(self._products)
            request = tags_pb2.GetProductTagsRequest(product_id=f"bench-{number}")
            started = time.monotonic()
            try:
                found = await stub.GetProductTags(request, timeout=_TIMEOUT_S)
            except grpc.RpcError as error:
                self._fail(error)
            else:
                self._took_ms.setdefault(self.phase, []).append((time.monotonic() - started) * 1_000)
                self.counts["lookups"] += 1
                text = self._catalogue.text_number(number, found.version)
                self._check(found.bundle_version, text, found.tags)
            due = max(due + every_s, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _suggest(self, stub: tags_pb2_grpc.TagServiceStub, choice: random.Random) -> None:
        while not self._is_over.is_set():
            numbers = [choice.randrange(len(self._catalogue.texts)) for _ in range(_TEXTS)]
            products = [self._catalogue.texts[number].product for number in numbers]
            requests = [
                tags_pb2.SuggestTagsRequest(
                    text=each.title, description=each.description, merchant_category=each.merchant_category
                )
                for each in products
            ]
            for request in requests:
                request.kind = tags_pb2.TEXT_KIND_PRODUCT
            try:
                found = await stub.BatchSuggestTags(
                    tags_pb2.BatchSuggestTagsRequest(texts=requests), timeout=_TIMEOUT_S
                )
            except grpc.RpcError as error:
                self._fail(error)
            else:
                self.counts["suggestions"] += len(numbers)
                if len({each.bundle_version for each in found.suggestions}) != 1:
                    self._mixed("a batch has suggestions of two bundles")
            await asyncio.sleep(1 / _BATCHES_PER_S)

    def _check(self, version: str, text: int, tags: Iterable[tags_pb2.Tag]) -> None:
        self.bundles[version] += 1
        found = frozenset(f"{tag.facet}:{tag.value}" for tag in tags)
        expected = self._catalogue.expected.get(version)
        if expected is None or found != expected[text]:
            self._mixed(f"text {text} of bundle {version[:12]} has {sorted(found)}")

    def _fail(self, error: grpc.RpcError) -> None:
        self.counts["failed"] += 1
        self._note(f"{error.code()}: {error.details()}")

    def _mixed(self, what: str) -> None:
        self.counts["mixed"] += 1
        self._note(what)

    def _note(self, what: str) -> None:
        if len(self.problems) < _KEPT_PROBLEMS:
            self.problems.append(f"{self.phase}: {what}")
