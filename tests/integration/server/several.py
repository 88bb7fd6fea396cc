"""Several processes of a server whose tagger counts words: `python -m tests.integration.server.several SETTINGS`.

SETTINGS is JSON: `redis_url` and settings of the server. Prints the ports of gRPC and HTTP once all processes serve.
"""

import asyncio
import json
import sys
from functools import partial
from typing import Any

from hangtag.server.member import Bound, Member
from hangtag.server.processes import Processes
from hangtag.server.program import serve
from hangtag.settings import RedisSettings, ServerSettings, Settings
from hangtag.telemetry import configure_logs
from tests.integration.server.parts import FakeTagger


def settings_of(given: dict[str, Any]) -> Settings:
    server = {name: value for name, value in given.items() if name != "redis_url"}
    return Settings(redis=RedisSettings(url=given["redis_url"]), server=ServerSettings(**server))


def run(member: Member, given: dict[str, Any]) -> None:
    if given["redis_url"] == "redis://broken":
        member.fail("the model is broken")
        raise SystemExit(1)
    ports = {"port": member.port, "http_port": member.http_port, "metrics_port": 0}
    settings = settings_of({**given, **ports, "metrics_host": "127.0.0.1"})
    configure_logs(settings.log, "server", member.number)
    asyncio.run(serve(settings, FakeTagger(), member=member))


def _print(bound: Bound) -> None:
    sys.stdout.write(f"{bound.port} {bound.http_port or ''}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _given = json.loads(sys.argv[1])
    _settings = settings_of(_given)
    configure_logs(_settings.log, "server")
    Processes(_settings, partial(run, given=_given)).serve(_print)
