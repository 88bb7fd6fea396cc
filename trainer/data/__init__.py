"""Labelled products: read, checked, split, changed, tokenised."""
