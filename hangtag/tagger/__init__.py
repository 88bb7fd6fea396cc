"""Texts in, tags out: the tagger in use, and how texts are batched for it.

This package imports nothing by itself: probing and planning do not need the engine's runtime, which only
`hangtag.tagger.tagger` imports.
"""
