"""Searches: what the words of a request mean is found out here, and the index process finds the products."""

from hangtag.server.search.search import SEARCH_SERVICE, Search

__all__ = ["SEARCH_SERVICE", "Search"]
