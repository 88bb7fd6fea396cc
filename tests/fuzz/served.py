"""A server for the targets of the wire: `python -m tests.fuzz.served`, with the settings of its environment.

Its tagger counts words, so that it starts at once; what is behind the wire has targets of its own.
"""

import asyncio

from hangtag.server import serve
from hangtag.settings import load_settings
from hangtag.telemetry import configure_logs
from tests.integration.server.parts import FakeTagger

if __name__ == "__main__":
    settings = load_settings()
    configure_logs(settings.log, "server")
    asyncio.run(serve(settings, FakeTagger()))
