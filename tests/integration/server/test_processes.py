"""Several processes on one port: one that dies is started again, all drain together, and their pages are one."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest

from hangtag.settings import RedisSettings
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.integration.server.parts import Code, free_port, until
from tests.integration.server.web_client import WebClient

ROOT = Path(__file__).resolve().parents[3]
REQUEST = tags_pb2.BatchGetProductTagsRequest(product_ids=["p"])

pytestmark = pytest.mark.timeout(180)


class Running:
    """A server of several processes, in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", ports: list[int], metrics_port: int) -> None:
        self.process = process
        self.port = ports[0]
        self.http_port = ports[-1]
        self.metrics_port = metrics_port

    def page(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def counted(self, metric: str = "hangtag_calls_total") -> dict[str, float]:
        """Calls by process."""
        lines = [line for line in self.page("metrics")[1].splitlines() if line.startswith(f"{metric}{{")]
        found: dict[str, float] = {}
        for line in lines:
            number = line.split('process="')[1].split('"')[0]
            found[number] = found.get(number, 0) + float(line.split()[-1])
        return found

    def children(self) -> list[int]:
        """The processes that serve."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        names = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found.stdout.split()}
        return [pid for pid, command in names.items() if b"spawn_main" in command and b"--multiprocessing" in command]


def command(redis_url: str, **server: object) -> list[str]:
    given = {"redis_url": redis_url, "port": 0, "processes": 2, "drain_s": 0.5, "grace_s": 5, **server}
    return [sys.executable, "-m", "tests.integration.server.several", json.dumps(given)]


@contextmanager
def running(redis: RedisSettings, **server: object) -> Iterator[Running]:
    metrics_port = free_port()
    arguments = command(redis.url.get_secret_value(), metrics_port=metrics_port, **server)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Running(process, [int(port) for port in process.stdout.readline().split()], metrics_port)
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()


def call(port: int) -> None:
    """A call over a connection of its own."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        tags_pb2_grpc.TagServiceStub(channel).BatchGetProductTags(REQUEST, timeout=10)


@pytest.fixture(params=["grpcio", "native"])
def several(request: pytest.FixtureRequest, redis_settings: RedisSettings) -> Iterator[Running]:
    with running(redis_settings, transport=request.param, http_port=0) as served:
        yield served


def test_calls_reach_all_processes_one_that_dies_is_started_again_and_all_stop(several: Running) -> None:
    def reached() -> bool:
        call(several.port)
        return {number for number, count in several.counted().items() if count} == {"0", "1"}

    def reached_over_http() -> bool:
        with WebClient(several.http_port) as web:
            assert web.call("BatchGetProductTags", {"product_ids": ["p"]}).status == 200
        return {number for number, count in several.counted("hangtag_http_requests_total").items() if count} == {
            "0",
            "1",
        }

    until(reached, 20)
    until(reached_over_http, 20)
    assert several.page("healthz")[0] == 200
    assert several.page("readyz")[0] == 200
    assert '"sampled_one_in":64' in several.page("popular")[1]
    first = several.children()
    assert len(first) == 2

    os.kill(first[0], signal.SIGKILL)
    until(lambda: several.page("readyz")[0] == 503, 10)
    until(lambda: several.page("readyz")[0] == 200, 60)
    assert len(several.children()) == 2
    call(several.port)

    several.process.terminate()
    assert several.process.wait(20) == 0
    for port in (several.port, several.http_port):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=1)


@pytest.mark.parametrize("transport", ["grpcio", "native"])
def test_a_stop_under_load_ends_no_call_but_with_unavailable(redis_settings: RedisSettings, transport: str) -> None:
    """UNAVAILABLE is what clients retry on another server."""
    codes: set[grpc.StatusCode] = set()
    statuses: set[int] = set()
    with running(redis_settings, transport=transport, http_port=0) as served:

        def call_over_http() -> None:
            with WebClient(served.http_port) as web, suppress(ConnectionError):
                while True:
                    statuses.add(web.call("BatchGetProductTags", {"product_ids": ["p"]}).status)

        def call_on() -> None:
            options = [("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(f"127.0.0.1:{served.port}", options=options) as channel:
                stub = tags_pb2_grpc.TagServiceStub(channel)
                while True:
                    calls = [stub.BatchGetProductTags.future(REQUEST, timeout=10) for _ in range(10)]
                    ended = {each.code() for each in calls}
                    codes.update(ended)
                    if ended != {Code.OK}:
                        return

        clients = [
            threading.Thread(target=each) for each in (call_on, call_on, call_on, call_over_http, call_over_http)
        ]
        for client in clients:
            client.start()
        time.sleep(1)
        served.process.terminate()
        for client in clients:
            client.join(20)
        assert served.process.wait(20) == 0

    assert codes == {Code.OK, Code.UNAVAILABLE}
    assert {200} <= statuses <= {200, 503}


def test_the_port_is_not_shared_with_another_server(redis_settings: RedisSettings) -> None:
    with running(redis_settings, transport="grpcio") as served:
        second = subprocess.run(
            command(redis_settings.url.get_secret_value(), port=served.port, metrics_port=0),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert second.returncode == 1
        assert "HANGTAG_SERVER__PORT" in second.stderr
        # While one process starts again, nobody else gets the port either.
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", served.port))


def test_processes_end_with_the_one_that_started_them(redis_settings: RedisSettings) -> None:
    with running(redis_settings, transport="grpcio") as served:
        children = served.children()
        served.process.kill()
        until(lambda: not any(Path(f"/proc/{pid}/task").exists() for pid in children), 20)


def test_a_process_that_cannot_start_ends_the_server_with_its_reason() -> None:
    done = subprocess.run(
        command("redis://broken"),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "does not start: the model is broken" in done.stderr
