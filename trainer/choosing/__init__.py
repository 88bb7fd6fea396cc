"""Choosing settings by search, and choosing among several runs."""
