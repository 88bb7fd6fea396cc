"""What is measured: a store with products, and servers of this checkout, each program on its own core."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import grpc
import orjson
import psutil

from benchmarks.fleet import ROOT, Program, total
from benchmarks.server.generator import Load, Result
from benchmarks.server.handshakes import Connecting
from benchmarks.server.requests import PRODUCTS, product_id
from hangtag.cli.errors import CommandError
from hangtag.cli.local import Child, free_port
from hangtag.settings import RedisSettings, Settings
from hangtag.store import Arrival, Entry, RedisTagStore
from hangtag.v1 import tags_pb2, tags_pb2_grpc

# The server's core, and that of everything else: generator and Valkey.
SERVER_CORE, CLIENT_CORE = 0, 1
REPLY_BYTES = 260
_CHUNK = 1_000
_PATIENCE_S = 60.0
_LIMIT_S = 120.0


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes that are started in this block run on this core alone, where there is more than one."""
    before = os.sched_getaffinity(0)
    if len(before) > 1:
        os.sched_setaffinity(0, {sorted(before)[core % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def fill(settings: RedisSettings) -> None:
    """Store the products, each received and tagged once."""
    tag = tags_pb2.Tag(facet="color", value="navy", confidence=0.93, source=1, band=1)
    tags = tags_pb2.ProductTags(version=7, tags=[tag] * 4, bundle_version="5f" * 32)
    tags.tagged_at.FromMilliseconds(1_764_000_000_000)
    # Up to the size of the reply, with what the look-up adds.
    tags.tags[-1].value = "x" * 61
    store = RedisTagStore(settings)
    try:
        store.check()
        for start in range(0, PRODUCTS, _CHUNK):
            ids = [product_id(number) for number in range(start, start + _CHUNK)]
            entries = []
            for each in ids:
                tags.product_id = each
                entries.append(Entry(each, 7, tags.SerializeToString()))
            store.write(entries)
            store.mark_seen([Arrival(each, 7) for each in ids])
    finally:
        store.close()


class Server:
    """A running `hangtag serve`, its processes and its address."""

    path = ""

    def __init__(
        self, name: str, redis: str, folder: Path, more: dict[str, str], *, token: str = "", ca_file: str = ""
    ) -> None:
        self.name = name
        self.token, self.ca_file = token, ca_file
        self.port = free_port()
        settings = Settings(redis=RedisSettings(url=redis))
        options = {
            "server.port": str(self.port),
            "server.cache_ttl_ms": "0",
            "server.suggest_cache_entries": "0",
            "server.follow": "false",
            "model.threads": "1",
            "model.engine": "cpu",
        }
        with on_core(SERVER_CORE):
            self._program = Program("serve", name, settings, folder, {**options, **more})

    def wait(self) -> Self:
        """Wait until it answers.

        Raises:
            CommandError: it ended, or takes too long.
        """
        give_up = time.monotonic() + _PATIENCE_S
        metadata = [("authorization", f"Bearer {self.token}")] if self.token else None
        with self._channel() as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            request = tags_pb2.GetProductTagsRequest(product_id=product_id(0))
            while True:
                try:
                    stub.GetProductTags(request, timeout=2, metadata=metadata)
                except grpc.RpcError as error:
                    if not self._program.child.is_running:
                        raise CommandError(self._program.child.exit_report()) from error
                    if time.monotonic() > give_up:
                        msg = f"{self.name} does not answer: {error}\n{self._program.child.tail()}"
                        raise CommandError(msg) from error
                    time.sleep(0.1)
                else:
                    return self

    def _channel(self) -> grpc.Channel:
        address = f"127.0.0.1:{self.port}"
        if not self.ca_file:
            return grpc.insecure_channel(address)
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(Path(self.ca_file).read_bytes()))

    def reply(self) -> bytes:
        """The serialised reply to a look-up."""
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            call = channel.unary_unary("/hangtag.v1.TagService/GetProductTags")
            reply: bytes = call(tags_pb2.GetProductTagsRequest(product_id=product_id(0)).SerializeToString(), timeout=5)
        return reply

    def refused(self) -> float:
        """Calls that the server says it has refused."""
        return total(self._program.surely(), "hangtag_refused_calls_total")

    def cpu_s(self) -> float:
        """Processor seconds of all its processes until now."""
        times = [process.cpu_times() for process in self._processes()]
        return sum(each.user + each.system for each in times)

    def memory_mb(self) -> float:
        """Resident memory of all its processes."""
        return sum(process.memory_info().rss for process in self._processes()) / 2**20

    def stop(self) -> None:
        """Stop it."""
        self._program.stop()

    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self._program.child.pid)
        return [parent, *parent.children(recursive=True)]


class Empty:
    """The empty handler of grpc.aio, with the same reply."""

    name = "empty_aio"
    path = "/empty.Empty/Call"
    token = ca_file = ""

    def __init__(self, reply: bytes, folder: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "benchmarks.server.empty", str(self.port), reply.hex()]
        with on_core(SERVER_CORE):
            self._child = Child("empty", command, folder, {**os.environ, "PYTHONPATH": str(ROOT)})
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            channel.unary_unary(self.path)(b"", timeout=20, wait_for_ready=True)

    def cpu_s(self) -> float:
        """Processor seconds until now."""
        times = psutil.Process(self._child.pid).cpu_times()
        return times.user + times.system

    def stop(self) -> None:
        """Stop it."""
        self._child.stop()


class Running:
    """A generator that was started."""

    def __init__(self, load: Load, folder: Path) -> None:
        self._child = _generator("generator", orjson.dumps(asdict(load)), folder)

    def result(self) -> Result:
        """Wait for its end.

        Raises:
            CommandError: it failed.
        """
        return Result(**_said(self._child))


def run(load: Load, folder: Path) -> Result:
    """Run a load to its end."""
    return Running(load, folder).result()


def connections_per_s(connecting: Connecting, folder: Path) -> float:
    """New connections a second to a server, one after the other."""
    return float(_said(_generator("handshakes", orjson.dumps(asdict(connecting)), folder))["per_s"])


def _generator(module: str, what: bytes, folder: Path) -> Child:
    command = [sys.executable, "-m", f"benchmarks.server.{module}", what.decode()]
    with on_core(CLIENT_CORE):
        return Child(f"{module}-{time.monotonic_ns()}", command, folder, {**os.environ, "PYTHONPATH": str(ROOT)})


def _said(child: Child) -> dict[str, Any]:
    """What it wrote at its end."""
    if not child.ends_within(_LIMIT_S) or child.exit_code:
        child.stop()
        raise CommandError(child.exit_report())
    said: dict[str, Any] = orjson.loads(child.log.read_bytes())
    return said
