"""The yardstick: a grpc.aio server whose handler only returns bytes.

python -m benchmarks.server.empty PORT REPLY_IN_HEX
"""

import asyncio
import sys

import grpc
from grpc import aio

SERVICE, METHOD = "empty.Empty", "Call"


async def _serve(port: int, reply: bytes) -> None:
    async def call(_: bytes, __: object) -> bytes:
        return reply

    server = aio.server()
    handler = grpc.unary_unary_rpc_method_handler(call, request_deserializer=None, response_serializer=None)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), bytes.fromhex(sys.argv[2])))
