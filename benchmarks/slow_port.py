"""TCP ports that lead to another one, each with a delay: `python -m benchmarks.slow_port TARGET DELAY_MS...`.

Prints the ports, and runs until it is stopped. What a client sends, and what comes back, each takes half of the delay.
"""

import asyncio
import sys
from functools import partial


async def main(target: int, delays_ms: list[float]) -> None:
    servers = [
        await asyncio.start_server(partial(forward, target, delay / 2_000), "127.0.0.1", 0) for delay in delays_ms
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


async def forward(target: int, delay_s: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    back, forth = await asyncio.open_connection("127.0.0.1", target)
    await asyncio.gather(copy(reader, forth, delay_s), copy(back, writer, delay_s))


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    while data := await source.read(65_536):
        if delay_s:
            loop.call_later(delay_s, sink.write, data)
        else:
            sink.write(data)
    sink.close()


if __name__ == "__main__":
    try:
        asyncio.run(main(int(sys.argv[1]), [float(each) for each in sys.argv[2:]]))
    except KeyboardInterrupt:
        sys.exit(130)
