"""Texts in, tags out: the tagger in use, and how texts are batched for it.

Nothing is imported here: who probes or plans does not need the engine's runtime, which `hangtag.tagger.tagger` brings.
"""
