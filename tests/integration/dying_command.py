"""`hangtag work` or `hangtag serve` with a part that dies once it runs: `python dying_command.py COMMAND PART`.

The error quotes a product's text, which no log may show.
"""

import sys
import time

from hangtag.cli.main import main
from hangtag.server.store_watch import StoreWatch
from hangtag.server.waits import Waits
from hangtag.store import RedisTagStore
from hangtag.telemetry import http
from hangtag.workers import worker
from hangtag.workers.kafka_source import KafkaSource
from hangtag.workers.tail_reader import TailReader

AFTER_S = 1.5
TEXT = "red dress"
PLACES = {
    "encode": (worker, "encode"),
    "forward": (worker, "forward"),
    "write": (worker, "write"),
    "poll": (KafkaSource, "poll"),
    "tail reader": (TailReader, "_step"),
    "store watch": (RedisTagStore, "check"),
    "telemetry": (http._Server, "service_actions"),
    "server's store watch": (StoreWatch, "look"),
    "server's waits": (Waits, "turn"),
}


def dying(real):
    first_s: list[float] = []

    def die(*arguments, **options):
        first_s.append(time.monotonic())
        if time.monotonic() - first_s[0] < AFTER_S:
            return real(*arguments, **options)
        raise KeyError(TEXT)

    return die


if __name__ == "__main__":
    owner, name = PLACES[sys.argv[2]]
    setattr(owner, name, dying(getattr(owner, name)))
    sys.argv = ["hangtag", sys.argv[1]]
    main()
