"""A search box: serves search_box.html and passes its searches on to a Hangtag server.

    python docs/examples/search_box.py        then open http://127.0.0.1:8000

`make demo` starts a server; this program needs hangtag-client alone. Titles come from the shop's own feed.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
from google.protobuf import json_format

from hangtag.v1.tags_pb2 import FindProductsRequest
from hangtag.v1.tags_pb2_grpc import TagServiceStub

HERE = Path(__file__).resolve().parent
FEED = HERE.parents[1] / "hangtag" / "cli" / "feed" / "products.jsonl"
MAX_REQUEST_BYTES = 65_536


class Handler(BaseHTTPRequestHandler):
    """`GET /` is the page; `POST /find` a FindProductsRequest in JSON, answered with the reply and the titles."""

    stub: TagServiceStub
    titles: dict[str, str]

    def do_GET(self) -> None:
        """Send the page."""
        if self.path.partition("?")[0] == "/":
            self.answer(200, "text/html; charset=utf-8", (HERE / "search_box.html").read_bytes())
        else:
            self.answer(404, "text/plain", b"not found")

    def do_POST(self) -> None:
        """Search."""
        length = self.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else 0
        if self.path != "/find" or not 0 < size <= MAX_REQUEST_BYTES:
            self.answer(404, "text/plain", b"not found")
            return
        try:
            request = json_format.Parse(self.rfile.read(size), FindProductsRequest())
            reply = json_format.MessageToDict(self.stub.FindProducts(request, timeout=2))
        except (json_format.ParseError, UnicodeDecodeError):
            self.answer(400, "text/plain", b"not a FindProductsRequest")
        except grpc.RpcError as error:
            self.answer(502, "text/plain; charset=utf-8", error.details().encode())
        else:
            for product in reply.get("products", ()):
                product["title"] = self.titles.get(product["productId"], product["productId"])
            self.answer(200, "application/json", json.dumps(reply).encode())

    def answer(self, status: int, kind: str, body: bytes) -> None:
        """Send a reply."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Searches are not logged: they may say something about a person."""


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--feed", type=Path, default=FEED, help="JSONL file with the titles of the products")
    arguments = parser.parse_args()
    with arguments.feed.open(encoding="utf-8") as lines:
        Handler.titles = {each["product_id"]: each["title"] for each in map(json.loads, lines) if "title" in each}
    with grpc.insecure_channel(arguments.server) as channel:
        Handler.stub = TagServiceStub(channel)
        with ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler) as pages:
            print(f"http://127.0.0.1:{pages.server_port}", flush=True)
            pages.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped")
