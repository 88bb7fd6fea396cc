"""Hangtag: product tags for every listing, a moment after it is listed."""
