"""A broker and a tag store on this machine, started and stopped with this process."""

from hangtag.cli.local.broker import BrokerKind, broker_kind, start_broker
from hangtag.cli.local.child import Child
from hangtag.cli.local.errors import LocalError
from hangtag.cli.local.server import LocalServer, free_port, port_or_another
from hangtag.cli.local.stack import LocalStack, explicit_settings
from hangtag.cli.local.topics import create_topics
from hangtag.cli.local.valkey import DATABASES, start_valkey

__all__ = [
    "DATABASES",
    "BrokerKind",
    "Child",
    "LocalError",
    "LocalServer",
    "LocalStack",
    "broker_kind",
    "create_topics",
    "explicit_settings",
    "free_port",
    "port_or_another",
    "start_broker",
    "start_valkey",
]
