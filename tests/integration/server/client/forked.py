"""A program that forks: `python -m tests.integration.server.client.forked ADDRESS used|unused`."""

import json
import os
import sys

from hangtag.client import Client, UsageError


def say(*what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(address: str, how: str) -> None:
    before = Client(address, timeout_s=20)
    if how == "used":
        before.get("p")
    child = os.fork()
    if child == 0:
        try:
            say("child, old client", before.get("p").freshness)
        except UsageError as error:
            say("child, old client", str(error))
        say("child, new client", Client(address, timeout_s=20).get("p").freshness)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    say("parent", before.get("p").freshness, os.waitstatus_to_exitcode(status))


main(*sys.argv[1:])
