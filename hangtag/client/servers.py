"""The servers of a client: a channel to each address, used in turn."""

import itertools
import json
import re
import time
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

from hangtag.client.errors import SettingError
from hangtag.client.tls import TlsFiles
from hangtag.v1 import tags_pb2_grpc

_SERVICE = "hangtag.v1.TagService"
# A name may lead to several servers: gRPC uses them in turn and leaves those that are about to stop. The client's own
# retries know more than gRPC's (the time that a server asks for), so there is no retry policy.
_SERVICE_CONFIG = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": _SERVICE}}
)
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", _SERVICE_CONFIG),
    # A restarted server is used again within seconds; gRPC would wait for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # how long it tries to connect
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    # A server that is gone without a word is noticed. Servers accept a ping every 5 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # 1,000 products with many tags take more than gRPC's 4 MiB.
    ("grpc.max_receive_message_length", 64 * 2**20),
)
# How long a server that did not answer is left alone, where there are others.
_REST_S = 1.0
_ADDRESS = re.compile(r"(?:dns:(?://[^/]*/)?|ipv4:|ipv6:)?(?:\[[^\]]+\]|[^\s:,/\[\]]+):\d{1,5}|unix(?:-abstract)?:\S+")


SEARCHES = ("FindProducts", "ListTags", "Clarify", "SimilarProducts", "TagProfile")
_METHODS = ("GetProductTags", "BatchGetProductTags", "SuggestTags", "BatchSuggestTags", *SEARCHES)


class Server:
    """One channel and the calls on it."""

    def __init__(self, address: str, channel: Any) -> None:
        self.address = address
        self.channel = channel
        stub = tags_pb2_grpc.TagServiceStub(channel)
        self.methods = {name: getattr(stub, name) for name in _METHODS}
        self.rests_until = 0.0


class Servers:
    """Chooses the server of each attempt. `module`, `grpc` or `grpc.aio`, opens the channels. Any thread may call."""

    def __init__(self, addresses: Sequence[str], tls: TlsFiles | None, connections: int, module: Any) -> None:
        options = list(_OPTIONS)
        if tls is not None and tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", tls.server_name))
        if connections > 1:
            options.append(("grpc.use_local_subchannel_pool", 1))
        open_channel = (
            module.insecure_channel if tls is None else partial(module.secure_channel, credentials=tls.credentials())
        )
        self._all = [
            Server(address, open_channel(address, options=options)) for _ in range(connections) for address in addresses
        ]
        self._elsewhere = {address: [each for each in self._all if each.address != address] for address in addresses}
        self._turn = itertools.count()
        self._some_rest_until = 0.0

    def pick(self) -> Server:
        """The next one that does not rest, else the next one."""
        servers: Sequence[Server] = self._all
        if self._some_rest_until:
            servers = self._awake(servers) or servers
        return servers[next(self._turn) % len(servers)]

    def other(self, than: Server) -> Server:
        """One at another address, if there is one that does not rest; else any."""
        awake = self._awake(self._elsewhere[than.address])
        return awake[next(self._turn) % len(awake)] if awake else self.pick()

    def has_other(self, than: Server) -> bool:
        """Whether `other` has one at another address."""
        return bool(self._awake(self._elsewhere[than.address]))

    def rest(self, server: Server) -> None:
        """Leave a server alone for a moment, because it did not answer, cannot be reached or is stopping."""
        server.rests_until = self._some_rest_until = time.monotonic() + _REST_S

    def close(self) -> list[Any]:
        """Close the channels: what each of them returns, which an asyncio client waits for."""
        return [each.channel.close() for each in self._all]

    def _awake(self, servers: Sequence[Server]) -> Sequence[Server]:
        now = time.monotonic()
        if now > self._some_rest_until:
            self._some_rest_until = 0.0
            return servers
        return [each for each in servers if each.rests_until <= now]


def addresses_of(address: str | Sequence[str]) -> tuple[str, ...]:
    """The addresses, each `host:port` or another target that gRPC knows, such as `dns:///hangtag:50051`.

    Raises:
        SettingError: there is none, or one is not an address.
    """
    addresses = (address,) if isinstance(address, str) else tuple(address)
    for each in addresses:
        if not (isinstance(each, str) and _ADDRESS.fullmatch(each)):
            msg = f"{each!r} is not the address of a server; write host:port or dns:///host:port, several as a list"
            raise SettingError(msg)
    if not addresses:
        msg = "no address of a server is given; write host:port"
        raise SettingError(msg)
    return addresses


def leaves_the_machine(address: str) -> bool:
    """Whether what is sent to this address may be seen on a network."""
    if address.startswith("unix"):
        return False
    host = re.sub(r"dns:(//[^/]*/)?|ipv4:|ipv6:", "", address).rpartition(":")[0].strip("[]")
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
