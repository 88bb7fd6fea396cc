"""Texts: cleaning, their two segments, tokens and n-grams."""
