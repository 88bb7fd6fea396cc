"""The broker of the local stack."""

import os
from pathlib import Path
from typing import Literal

from hangtag.cli.local.apache import start_apache
from hangtag.cli.local.errors import LocalError
from hangtag.cli.local.server import LocalServer
from hangtag.cli.local.tansu import start_tansu

BrokerKind = Literal["tansu", "kafka"]


def broker_kind() -> BrokerKind:
    """`kafka` if `KAFKA_HOME` is set, otherwise `tansu`."""
    return "kafka" if os.environ.get("KAFKA_HOME") else "tansu"


def start_broker(
    kind: BrokerKind, folder: Path, kafka_home: Path | None = None, port: int | None = None
) -> LocalServer:
    """Start a broker without topics on `port` or any free port. Returns at once; enter the result to wait for it.

    `url` of the result is the bootstrap address. `kafka_home`, for `kafka` only, defaults to `KAFKA_HOME`.

    Raises:
        LocalError: something is not installed; the message says what to install or set.
    """
    if kind == "tansu":
        return start_tansu(folder, port)
    home = kafka_home or (Path(os.environ["KAFKA_HOME"]) if os.environ.get("KAFKA_HOME") else None)
    if home is None:
        msg = "KAFKA_HOME is not set: set it to the folder of an unpacked Apache Kafka release"
        raise LocalError(msg)
    return start_apache(folder, home, port=port)
