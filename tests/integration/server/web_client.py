"""A client of the calls over HTTP, without any library of the protocol."""

import gzip
import http.client
import json
from typing import Any, NamedTuple, Self

SERVICE = "/hangtag.v1.TagService"
JSON = {"content-type": "application/json"}


class Reply(NamedTuple):
    """An HTTP reply."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        body = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return json.loads(body)

    @property
    def reason(self) -> str:
        """That of `google.rpc.ErrorInfo`."""
        (info,) = [each["debug"] for each in self.json["details"] if each["type"] == "google.rpc.ErrorInfo"]
        assert info["domain"] == "hangtag"
        return info["reason"]


class WebClient:
    """One connection, which is opened again if the server has closed it."""

    def __init__(self, port: int, context: Any = None) -> None:
        kind = http.client.HTTPConnection if context is None else http.client.HTTPSConnection
        self.connection = kind("127.0.0.1", port, timeout=20, **({} if context is None else {"context": context}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, verb: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        self.connection.request(verb, path, body, headers or {})
        reply = self.connection.getresponse()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())

    def call(self, method: str, request: Any, **headers: str) -> Reply:
        """Call a method with JSON; bytes are sent as they are."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", f"{SERVICE}/{method}", body, JSON | named)
