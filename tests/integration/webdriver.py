"""A page in headless Chromium, driven over WebDriver's HTTP protocol by Debian's chromedriver."""

import base64
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Page:
    """A browser with one page."""

    def __init__(self, address: str) -> None:
        self._address = address
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        options = {"goog:chromeOptions": {"args": [*arguments, "--window-size=1100,1000"]}}
        found = self._call("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self._address += f"/session/{found['sessionId']}"

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def texts(self, css: str) -> list[str]:
        """The visible texts of elements."""
        found: list[str] = self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", css)
        return found

    def click(self, css: str, text: str = "") -> None:
        """Click the first of these elements that contains a text, as a person does: it must be visible."""
        script = "return [...document.querySelectorAll(arguments[0])].find(e => e.innerText.includes(arguments[1]))"
        element = self.run(script, css, text)
        self._call("POST", f"/element/{element[_ELEMENT]}/click", {})

    def type(self, css: str, text: str) -> None:
        element = self.run("return document.querySelector(arguments[0])", css)
        self._call("POST", f"/element/{element[_ELEMENT]}/clear", {})
        self._call("POST", f"/element/{element[_ELEMENT]}/value", {"text": text})

    def until(self, condition: Callable[[], object], limit_s: float = 60) -> None:
        end = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end, self.texts("body")
            time.sleep(0.02)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def close(self) -> None:
        self._call("DELETE", "")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._address + path, content, {"content-type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=25) as reply:
            return json.loads(reply.read())["value"]


@contextmanager
def browsing(driver: str) -> Iterator[Page]:
    """A browser of this chromedriver."""
    with subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            started = (re.search(r"started successfully on port ([0-9]+)", line) for line in process.stdout)
            port = next(found[1] for found in started if found)
            page = Page(f"http://127.0.0.1:{port}")
            try:
                yield page
            finally:
                page.close()
        finally:
            process.terminate()
