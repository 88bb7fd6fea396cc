"""Metrics and health of several processes of a server on one page."""

from collections.abc import Mapping
from typing import Any

from hangtag.processes import Pages
from hangtag.processes.pages import body_of
from hangtag.server.popular import merged


class MemberPages(Pages):
    """As `Pages`, with the popular products of all processes."""

    def popular(self) -> Mapping[str, Any]:
        """The products that are looked up most, of all processes together."""
        return merged([body_of(page) for page in self.ask("popular").values() if page])
